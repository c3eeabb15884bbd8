package install_test

import (
	"fmt"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

const agent = `apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: %s}
spec: {prompt: p, modelRef: {name: m}}
`

// TestBackend changes the backend of a release: not over resources that would be
// hidden, unless it is forced, and nothing is lost.
func TestBackend(t *testing.T) {
	i := begin(t)
	d := startDatabase(t, i)
	d.secret(t, i, d.password)
	upgrade := []string{"upgrade", "ark", "./chart", "-n", namespace, "--wait"}
	toPostgreSQL := append(append([]string{}, upgrade...), postgresqlFlags...)
	toEtcd := append(append([]string{}, upgrade...), "--reset-values", "--set", "storage.backend=etcd")
	force := []string{"--set", "storage.force=true"}

	i.helm(t, "install", "ark", "./chart", "-n", namespace, "--wait")
	i.make(t, "in-etcd")
	i.helmFails(t, []string{"storage.backend is postgresql, but the backend etcd holds resources", "Agent (in-etcd)", "storage.force=true"}, toPostgreSQL...)
	i.has(t, "in-etcd", "")

	i.helm(t, append(toPostgreSQL, force...)...)
	i.has(t, "", "in-etcd")
	i.make(t, "in-postgresql")
	kubectl.Contain(t, i.helm(t, "test", "ark", "-n", namespace), "Succeeded")
	i.helm(t, append(toPostgreSQL, force...)...) // again, over what was taken over
	i.has(t, "in-postgresql", "in-etcd")

	i.helmFails(t, []string{"storage.backend is etcd, but the backend postgresql holds resources", "Agent (in-postgresql)"}, toEtcd...)
	i.helm(t, append(toEtcd, force...)...)
	i.has(t, "in-etcd", "in-postgresql")

	// Without resources in the way there is nothing to force.
	i.Run(t, "", "delete", "agents,models,queries", "--all", "-A")
	i.helm(t, toPostgreSQL...)
	i.has(t, "in-postgresql", "in-etcd")
	i.helm(t, "uninstall", "ark", "-n", namespace, "--wait")
	i.eventually(t, "the cluster serves its custom resources again", func() error {
		_, err := i.Try("", "get", "agents", "-A")
		return err
	})
}

func (i *installation) make(t *testing.T, name string) {
	t.Helper()
	i.Run(t, fmt.Sprintf(agent, name), "create", "-f", "-")
}

// has waits until one agent is seen, and another is not.
func (i *installation) has(t *testing.T, seen, hidden string) {
	t.Helper()
	i.eventually(t, fmt.Sprintf("the agent %q is seen, and %q is not", seen, hidden), func() error {
		out, err := i.Try("", "get", "agents", "-o", "name")
		switch {
		case err != nil:
			return err
		case !strings.Contains(out, seen):
			return fmt.Errorf("there are %q", out)
		case hidden != "" && strings.Contains(out, hidden):
			return fmt.Errorf("there are %q", out)
		}
		return nil
	})
}
