package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
)

// What this process measures, in the registry of the controllers.
var (
	databaseMetrics  = pg.NewMetrics()
	executionMetrics = execution.NewMetrics()
)

func init() { metrics.Registry.MustRegister(databaseMetrics, executionMetrics) }

// startMetrics serves /metrics to whom the cluster lets read it: who may get the
// path /metrics there.
func (e *environment) startMetrics(address, certDir string) error {
	client, err := rest.HTTPClientFor(e.api)
	if err != nil {
		return fmt.Errorf("make a client for the metrics module: %w", err)
	}
	server, err := metricsserver.NewServer(metricsserver.Options{
		BindAddress: address, SecureServing: true, CertDir: certDir,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
	}, e.api, client)
	if err != nil {
		return fmt.Errorf("make the metrics module: %w", err)
	}
	if server != nil { // the address 0 turns it off
		e.parts.start("metrics", server.Start)
	}
	return nil
}

// queueTimeout bounds the look at the queue while metrics are read.
const queueTimeout = 2 * time.Second

// queueCollector tells how deep the queue is.
type queueCollector struct {
	pool    *pgxpool.Pool
	entries *prometheus.Desc
}

// collectQueue adds the depth of the queue to the metrics, until the process ends.
func (e *environment) collectQueue(pool *pgxpool.Pool) error {
	c := &queueCollector{pool: pool, entries: prometheus.NewDesc("ark_queue_entries",
		"Queries in the queue, by state: queued ones wait for a worker, leased ones are executed.", []string{"state"}, nil)}
	if err := metrics.Registry.Register(c); err != nil {
		return fmt.Errorf("add the metrics of the queue: %w", err)
	}
	e.parts.onStop("metrics of the queue", func() error { metrics.Registry.Unregister(c); return nil })
	return nil
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.entries }

// Collect implements prometheus.Collector. Without a database there is no depth.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	rows, err := db.New().CountQueue(ctx, c.pool)
	if err != nil {
		klog.V(2).InfoS("The depth of the queue is not known", "err", err)
		return
	}
	depth := map[string]int64{"queued": 0, "leased": 0}
	for _, row := range rows {
		depth[row.State] = row.N
	}
	for state, n := range depth {
		ch <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(n), state)
	}
}
