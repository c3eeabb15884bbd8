package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures what pools with a Tracer of it do. It is a prometheus.Collector.
type Metrics struct {
	statements *prometheus.HistogramVec
}

// NewMetrics makes metrics of statements. Each statement of sql/queries is a series,
// under its name.
func NewMetrics() *Metrics {
	return &Metrics{statements: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "ark_database_statement_duration_seconds",
		Help:    "Time from sending a statement to its last row, by module and name; Batch is the round trip of several.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
	}, []string{"module", "statement", "failed"})}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) { m.statements.Describe(ch) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) { m.statements.Collect(ch) }

// Tracer measures the statements of a module's pool, for Options.Tracer.
func (m *Metrics) Tracer(module string) pgx.QueryTracer { return &tracer{m, module} }

type tracer struct {
	metrics *Metrics
	module  string
}

var _ pgx.BatchTracer = (*tracer)(nil)

// started is what the context of a statement under way carries.
type started struct {
	statement string
	at        time.Time
}

type startedKey struct{}

func begun(ctx context.Context, statement string) context.Context {
	return context.WithValue(ctx, startedKey{}, started{statement, time.Now()})
}

func (t *tracer) end(ctx context.Context, err error) {
	s, ok := ctx.Value(startedKey{}).(started)
	if !ok {
		return
	}
	failed := "false"
	if err != nil {
		failed = "true"
	}
	t.metrics.statements.WithLabelValues(t.module, s.statement, failed).Observe(time.Since(s.at).Seconds())
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return begun(ctx, statementName(data.SQL))
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return begun(ctx, "Batch")
}

// TraceBatchQuery implements pgx.BatchTracer: the time of one of several statements
// in a round trip is not known.
func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (t *tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
}
