package e2e_test

import (
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// TestEtcd stores Ark's kinds as custom resources of the cluster: no database, and
// the leader executes queries.
func TestEtcd(t *testing.T) {
	c := startCluster(t)
	c.installCRDs(t)
	c.grant(t, "../../chart/files/rbac")
	c.grant(t, "../../chart/files/rbac/etcd")
	port := freePort(t)
	c.serveWebhooks(t, port)
	c.registerWebhooks(t, port)
	p := c.start(t, "ark-controllers", programs.ark, "controllers", "--kubeconfig", c.account(t, "ark-controllers"),
		"--namespace", namespace, "--allow-loopback", "--metrics-bind-address=127.0.0.1:0")
	t.Cleanup(func() {
		p.alive(t)
		kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	})
	kubectl.Script(t, c.Client)
}
