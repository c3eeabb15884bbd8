package execution

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts executions. It is a prometheus.Collector.
type Metrics struct {
	running  prometheus.Gauge
	duration *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
}

// NewMetrics makes the metrics of the Runners of a process.
func NewMetrics() *Metrics {
	return &Metrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ark_queries_running", Help: "Queries that this process executes now.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ark_query_duration_seconds", Help: "Time of executions, by the phase that they ended in; interrupted ones will be executed again.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900},
		}, []string{"phase"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ark_query_tokens_total", Help: "Tokens that queries spent, by kind.",
		}, []string{"kind"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.running.Describe(ch)
	m.duration.Describe(ch)
	m.tokens.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.running.Collect(ch)
	m.duration.Collect(ch)
	m.tokens.Collect(ch)
}

func (m *Metrics) begin() {
	if m != nil {
		m.running.Inc()
	}
}

func (m *Metrics) end(o Outcome) {
	if m == nil {
		return
	}
	m.running.Dec()
	phase := string(o.Phase)
	if o.Interrupted != nil {
		phase = "interrupted"
	}
	m.duration.WithLabelValues(phase).Observe(o.Duration.Seconds())
	m.tokens.WithLabelValues("prompt").Add(float64(o.TokenUsage.PromptTokens))
	m.tokens.WithLabelValues("completion").Add(float64(o.TokenUsage.CompletionTokens))
}
