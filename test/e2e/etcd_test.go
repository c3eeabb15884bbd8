package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
)

// TestEtcd stores Ark's kinds as custom resources of the cluster: no database. Each
// process answers the webhooks, and the one that leads reconciles and executes.
func TestEtcd(t *testing.T) {
	c := startCluster(t)
	c.installCRDs(t)
	c.grant(t, onEtcd)
	c.backend.issue(t, "ark-webhooks", []string{"ark-webhooks." + namespace + ".svc"}, c.file("tls.crt"), c.file("tls.key"))
	ports := map[string]int{"replica-0": freePort(t), "replica-1": freePort(t)}
	replicas := map[string]*process{}
	for name, port := range ports {
		replicas[name] = c.custom(t, name, port)
	}
	c.registerWebhooks(t, newBalancerOf(t, ports).Port())
	i := &installation{cluster: c}
	t.Run("kubectl", func(t *testing.T) { kubectl.Script(t, c.Client) })

	t.Run("nextLeader", func(t *testing.T) {
		m := openai.Start(t)
		i.Run(t, m.Manifests(), "create", "-f", "-")
		release := m.Hold()
		defer release()
		const queries = 40 // more than are executed at once
		i.Run(t, manyQueries(queries), "create", "-f", "-")
		eventually(t, patience, "some queries are with the model", func() error {
			if n := m.Asked("question "); n < 32 {
				return fmt.Errorf("%d are", n)
			}
			return nil
		})
		kubectl.Contain(t, i.Run(t, "", "get", "queries"), "running", "queued")
		leader := i.leader(t, "")
		replicas[leader].kill()
		release()
		i.leader(t, leader)
		eventually(t, patience, "all queries are answered", func() error {
			out, err := i.Try("", "get", "queries", "-o", `jsonpath={range .items[*]}{.status.phase} {.status.response.content}{"\n"}{end}`)
			if n := strings.Count(out, "done answer to question "); err == nil && n != queries {
				err = fmt.Errorf("%d are", n)
			}
			return err
		})
		delete(replicas, leader)
	})
	for _, p := range replicas {
		p.alive(t)
		kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	}
}

// custom starts a process with all modules that work without a database.
func (c *cluster) custom(t testing.TB, name string, port int) *process {
	t.Helper()
	p := c.start(t, name, programs.ark, "core", "--kubeconfig", c.account(t, "ark-core"), "--namespace", namespace,
		"--identity="+name, "--allow-loopback", "--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0",
		"--webhook-host=127.0.0.1", fmt.Sprint("--webhook-port=", port), "--webhook-cert-dir="+filepath.Dir(c.file("tls.crt")))
	return p
}

// newBalancerOf spreads connections over ports that accept them.
func newBalancerOf(t testing.TB, ports map[string]int) *balancer {
	t.Helper()
	var all []int
	for _, port := range ports {
		all = append(all, port)
	}
	return newBalancerBy(t, func(client *http.Client, port int) bool {
		res, err := client.Get(address(port) + "/")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return true
	}, all...)
}
