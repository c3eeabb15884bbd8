package server_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkCreateQuery creates Queries over HTTP from many clients: admission,
// the object, its event, its columns and its queue row, in durable transactions.
func BenchmarkCreateQuery(b *testing.B) {
	f := startDurable(b)
	ns := f.withAgent(b)
	o := object(b, queryManifest)
	o.SetName("")
	o.SetGenerateName("q-")
	o.SetAnnotations(nil)
	client := f.dynamic.Resource(ark("queries")).Namespace(ns)
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := client.Create(b.Context(), o, metav1.CreateOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}
