package e2e_test

import (
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// TestAggregated serves the API behind a cluster's own API server.
func TestAggregated(t *testing.T) {
	c := startCluster(t)
	i := install(t, c)
	port := freePort(t)
	i.server(t, port)
	c.aggregate(t, port)
	c.available(t)
	kubectl.Contain(t, c.Run(t, "", "api-resources", "--api-group=ark.mckinsey.com"), "Query", "ExecutionEngine")
	kubectl.Script(t, c.Client)
}
