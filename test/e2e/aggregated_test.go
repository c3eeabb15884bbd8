package e2e_test

import (
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// TestAggregated serves the API behind a cluster's own API server. Each module is a
// process of its own, with the rights of the chart's manifests and no others.
func TestAggregated(t *testing.T) {
	c := startCluster(t)
	i := install(t, c, apart)
	port := freePort(t)
	modules := []*process{i.server(t, port, i.audited(t, "audit.log")...), i.module(t, "controllers"), i.module(t, "workers")}
	c.aggregate(t, port)
	c.available(t)
	t.Cleanup(func() { // when all parts have ended
		for _, m := range modules {
			m.alive(t)
			kubectl.NotContain(t, m.log.String(), "forbidden", "Forbidden")
		}
	})
	t.Run("kubectl", func(t *testing.T) { kubectl.Script(t, c.Client) })
	parts := []struct {
		name string
		run  func(t *testing.T, i *installation, port int)
	}{
		{"story", testStory}, {"canI", testCanI}, {"prune", testPrune}, {"roles", testRoles}, {"forgedHeader", testForgedHeader},
		{"impersonation", testImpersonation}, {"policy", testPolicy}, {"garbage", testGarbage},
		{"namespaceDeletion", testNamespaceDeletion}, {"certificates", testCertificates},
		{"metrics", testMetrics}, {"audit", testAudit}, {"probes", testProbes},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, i, port)
		})
	}
}
