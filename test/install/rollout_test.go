package install_test

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mckinsey.com/ark/test/load"
)

// gap is how long requests may fail when a replica is killed.
const gap = time.Second

// TestRollout changes a release under a client that lists, writes and watches all
// the time: no request fails, and no event is lost.
func TestRollout(t *testing.T) {
	i := begin(t)
	d := startDatabase(t, i)
	d.secret(t, i, d.password)
	i.helm(t, append([]string{"install", "ark", "./chart", "-n", namespace, "--wait"}, postgresqlFlags...)...)
	l := load.Start(t, i.admin, 4)

	for _, step := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"restart", func(t *testing.T) { i.restart(t) }},
		{"upgrade with a migration", func(t *testing.T) {
			i.helm(t, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "image.tag="+next)
			if n := ask[int](t, d, "ark", "SELECT max(version_id)::int FROM ark.goose_db_version"); n != 9999 {
				t.Errorf("the schema has version %d", n)
			}
		}},
		{"rollback", func(t *testing.T) { i.helm(t, "rollback", "ark", "-n", namespace, "--wait") }},
		{"new certificates", func(t *testing.T) { testRenewal(t, i) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			l.Report()
			step.do(t)
			l.Seen(t)
			requests, failures := l.Report()
			if requests == 0 {
				t.Error("nothing was asked")
			}
			t.Logf("%d requests, %d failed", requests, len(failures))
			for _, f := range failures {
				t.Errorf("a request failed: %v", f)
			}
		})
	}
	t.Run("kill", func(t *testing.T) { testKill(t, i, l) })
	t.Run("without a pause before the end", func(t *testing.T) { testControl(t, i, l) })
}

func (i *installation) restart(t *testing.T) {
	t.Helper()
	i.Run(t, "", "rollout", "restart", "deployment/ark-core", "-n", namespace)
	i.Run(t, "", "rollout", "status", "deployment/ark-core", "-n", namespace, "--timeout=120s")
	i.settled(t)
}

// settled waits until the Pods that end have ended.
func (i *installation) settled(t *testing.T) {
	t.Helper()
	i.eventually(t, "two Pods are left", func() error {
		if n := len(i.pods(t)); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

func (i *installation) pods(t *testing.T) []string {
	t.Helper()
	return strings.Fields(i.Run(t, "", "get", "pods", "-n", namespace, "-l", "app.kubernetes.io/component=core", "-o", "name"))
}

// testRenewal has certificates that are good for seconds, and waits for some.
func testRenewal(t *testing.T, i *installation) {
	i.helm(t, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "certificates.lifetime=15s")
	i.settled(t)
	seen := map[string]bool{}
	i.eventually(t, "three certificates and two authorities were used", func() error {
		out, err := i.Try("", "get", "secret", "ark-certificates", "-n", namespace, "-o", `jsonpath={.data.tls\.crt} {.data.ca\.crt}`)
		if err != nil {
			return err
		}
		for n, part := range strings.Fields(out) {
			text, err := base64.StdEncoding.DecodeString(part)
			if err != nil {
				return err
			}
			seen[strconv.Itoa(n)+string(text)] = true
		}
		if len(seen) < 6 {
			return fmt.Errorf("%d were seen", len(seen))
		}
		return nil
	})
	i.helm(t, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "certificates.lifetime=2160h")
	i.settled(t)
}

// testKill ends a replica as a machine does that runs out of memory.
func testKill(t *testing.T, i *installation, l *load.Load) {
	l.Report()
	id := i.Run(t, "", "get", i.pods(t)[0], "-n", namespace, "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	pid, err := strconv.Atoi(strings.TrimPrefix(id, "process://"))
	if err != nil {
		t.Fatalf("the container is %q", id)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	i.eventually(t, "the replica is started again", func() error {
		out, err := i.Try("", "get", "pods", "-n", namespace, "-l", "app.kubernetes.io/component=core",
			"-o", `jsonpath={range .items[*]}{.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}{"\n"}{end}`)
		if err == nil && (strings.Count(out, "true") != 2 || !strings.Contains(out, "true 1")) {
			err = fmt.Errorf("the Pods are %q", out)
		}
		return err
	})
	requests, failures := l.Report()
	t.Logf("%d requests, %d failed", requests, len(failures))
	if len(failures) > 0 {
		if took := failures[len(failures)-1].At.Sub(failures[0].At); took > gap {
			t.Errorf("requests failed for %s, the last: %v", took, failures[len(failures)-1])
		}
	}
	l.Seen(t)
}

// testControl takes the pause away: the same load sees failures then, so it could
// have seen them before.
func testControl(t *testing.T, i *installation, l *load.Load) {
	i.helm(t, "upgrade", "ark", "./chart", "-n", namespace, "--wait", "--reuse-values", "--set", "shutdown.preStopSeconds=0")
	i.settled(t)
	l.Report()
	for n := range 10 {
		i.restart(t)
		if requests, failures := l.Report(); len(failures) > 0 {
			t.Logf("restart %d: %d requests, %d failed, such as %v", n, requests, len(failures), failures[0])
			return
		}
	}
	t.Error("no request failed without the pause")
}
