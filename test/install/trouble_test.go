package install_test

import (
	"fmt"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// TestTrouble installs while nothing is as it should be: the Pods say what is wrong,
// and go on by themselves as it is mended.
func TestTrouble(t *testing.T) {
	i := begin(t)
	d := startDatabase(t, i)
	install := append([]string{"install", "ark", "./chart", "-n", namespace, "--set", "storage.postgresql.migration.enabled=false", "--set", "check.enabled=false"}, postgresqlFlags...)
	i.helm(t, install...)
	for _, step := range []struct {
		name, says string
		mend       func() // what was wrong in the step before
	}{
		{"no Secret", "/etc/ark/database/password", func() {}},
		{"a wrong password", "refuses the password of user", func() { d.secret(t, i, "wrong") }},
		{"no database server", "postgresql:5432", func() { d.line.Cut(true); d.secret(t, i, d.password) }},
		{"no database", "does not exist", func() { d.line.Cut(false) }},
		{"no schema", "ark goose up", func() { d.exec(t, "postgres", "CREATE DATABASE ark") }},
	} {
		step.mend()
		i.says(t, "core", step.says)
		i.unready(t, step.says)
		t.Logf("%s: the Pods say so", step.name)
	}
	i.helm(t, append([]string{"upgrade", "ark", "./chart", "-n", namespace, "--wait"}, postgresqlFlags...)...)
	i.Run(t, "", "rollout", "status", "deployment/ark-core", "-n", namespace, "--timeout=60s")
	if out := i.Run(t, "", "get", "pods", "-n", namespace, "-l", "app.kubernetes.io/component=core", "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}"); strings.Trim(out, "0 ") != "" {
		t.Errorf("Pods were restarted: %s times", out)
	}
	kubectl.Contain(t, i.helm(t, "test", "ark", "-n", namespace), "Succeeded")
	t.Run("migration", func(t *testing.T) { testBrokenMigration(t, i, d) })
}

// unready waits until readiness says why.
func (i *installation) unready(t *testing.T, want string) {
	t.Helper()
	i.eventually(t, "readiness says "+want, func() error {
		pod := strings.TrimPrefix(i.pods(t)[0], "pod/")
		_, err := i.Try("", "get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/http:%s:8081/proxy/readyz", namespace, pod))
		if err == nil {
			return fmt.Errorf("it is ready")
		}
		if !strings.Contains(err.Error(), want) {
			return err
		}
		return nil
	})
}

// testBrokenMigration upgrades to a release whose migration fails: the release stays
// as it was, and the reason is told.
func testBrokenMigration(t *testing.T, i *installation, d *database) {
	const state = "jsonpath={.metadata.generation} {.spec.template.spec.containers[0].image} {.status.readyReplicas}"
	before := i.Run(t, "", "get", "deployment", "ark-core", "-n", namespace, "-o", state)
	i.helmFails(t, []string{"division by zero"}, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "image.tag="+broken)
	if after := i.Run(t, "", "get", "deployment", "ark-core", "-n", namespace, "-o", state); after != before {
		t.Errorf("the Deployment was %s and is %s", before, after)
	}
	if n := ask[int](t, d, "ark", "SELECT count(*)::int FROM information_schema.columns WHERE column_name = 'lost'"); n != 0 {
		t.Error("half a migration is left")
	}
	kubectl.Contain(t, i.helm(t, "history", "ark", "-n", namespace), "failed")
	i.helm(t, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "image.tag="+next)

	d.secret(t, i, "wrong")
	i.helmFails(t, []string{"refuses the password"}, "upgrade", "ark", "./chart", "-n", namespace, "--reuse-values", "--set", "storage.postgresql.migration.timeout=3s")
	d.secret(t, i, d.password)
	kubectl.Contain(t, i.helm(t, "test", "ark", "-n", namespace), "Succeeded")
}
