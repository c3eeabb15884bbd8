package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/load"
	"mckinsey.com/ark/test/openai"
)

// takeover is how long it may take until another replica leads.
const takeover = 15 * time.Second

// TestReplicas runs two processes with all modules over one database: one that is
// killed loses no query and no event, and the other leads soon; one that is told to
// stop fails no request.
func TestReplicas(t *testing.T) {
	c := startCluster(t)
	i := install(t, c)
	ports := []int{freePort(t), freePort(t)}
	replicas := map[string]*process{}
	for n, port := range ports {
		name := fmt.Sprint("replica-", n)
		replicas[name] = i.replica(t, name, port)
	}
	c.aggregate(t, newBalancer(t, ports...).Port())
	c.available(t)
	m := openai.Start(t)
	i.Run(t, m.Manifests(), "create", "-f", "-")
	leader := i.leader(t, "")
	l := load.Start(t, c.admin, 4)

	t.Run("kill", func(t *testing.T) {
		release := m.Hold()
		defer release()
		const queries = 40
		i.Run(t, manyQueries(queries), "create", "-f", "-")
		eventually(t, patience, "all queries are with the model", func() error {
			if n := m.Asked("question "); n != queries {
				return fmt.Errorf("%d are", n)
			}
			return nil
		})
		killed := time.Now()
		replicas[leader].kill()
		release()
		next := i.leader(t, leader)
		if took := time.Since(killed); took > takeover {
			t.Errorf("%s leads after %s", next, took)
		}
		eventually(t, patience, "all queries are answered", func() error {
			out, err := i.Try("", "get", "queries", "-o", `jsonpath={range .items[*]}{.status.phase} {.status.response.content}{"\n"}{end}`)
			if n := strings.Count(out, "done answer to question "); err == nil && n != queries {
				err = fmt.Errorf("%d are", n)
			}
			return err
		})
		l.Seen(t)
		requests, failures := l.Report()
		t.Logf("%d requests, %d failed around the kill: %v", requests, len(failures), failures)
	})

	t.Run("stop", func(t *testing.T) {
		n := strings.TrimPrefix(leader, "replica-")
		var port int
		if port = ports[0]; n == "1" {
			port = ports[1]
		}
		replicas[leader] = i.replica(t, leader, port)
		eventually(t, patience, "the new replica is ready", func() error {
			if status, body := probe(t, port, "/readyz"); status != 200 {
				return fmt.Errorf("HTTP %d: %s", status, body)
			}
			return nil
		})
		l.Seen(t)
		l.Report()
		other := map[string]string{"replica-0": "replica-1", "replica-1": "replica-0"}[leader]
		replicas[other].stop(t)
		if err := replicas[other].err; err != nil {
			t.Errorf("%s ended with %v:\n%s", other, err, replicas[other].tail())
		}
		l.Seen(t)
		requests, failures := l.Report()
		t.Logf("%d requests, %d never reached it: %v", requests, len(failures), failures)
		if requests == 0 {
			t.Error("nothing was asked")
		}
		reached := i.reached(t, other)
		for _, f := range failures {
			if f.Name == "" || reached[f.Verb+" "+f.Name] {
				t.Errorf("a request failed that had reached %s: %v", other, f)
			}
		}
	})
}

// reached is what a replica was asked for, as "verb name", by its audit log. What the
// cluster's API server was about to send when the connection ended is not there: it
// cannot send a request with a body again, and answers 503 by itself.
func (i *installation) reached(t testing.TB, replica string) map[string]bool {
	t.Helper()
	content := must(os.ReadFile(i.file(replica + ".audit.log")))(t)
	all := map[string]bool{}
	for _, line := range strings.Split(string(content), "\n") {
		var e struct {
			Verb      string                `json:"verb"`
			ObjectRef struct{ Name string } `json:"objectRef"`
		}
		if json.Unmarshal([]byte(line), &e) == nil {
			all[e.Verb+" "+e.ObjectRef.Name] = true
		}
	}
	if len(all) == 0 {
		t.Errorf("%s has audited nothing", replica)
	}
	return all
}

// replica starts a process with all modules, known to the election by its name.
func (i *installation) replica(t testing.TB, name string, port int) *process {
	t.Helper()
	flags := append(i.serving(port), i.audited(t, name+".audit.log")...)
	p := i.module(t, "core", append(flags, "--lease-duration=5s", "--shutdown-delay-duration=2s", "--identity="+name)...)
	p.name = name
	return p
}

// leader waits until somebody else than before leads.
func (i *installation) leader(t testing.TB, before string) string {
	t.Helper()
	var name string
	eventually(t, patience, "a replica leads", func() error {
		out, err := i.Try("", "get", "lease", "ark-controllers", "-n", namespace, "-o", "jsonpath={.spec.holderIdentity}")
		name = strings.TrimSpace(out)
		if err == nil && (name == "" || name == before) {
			err = fmt.Errorf("the leader is %q", name)
		}
		return err
	})
	return name
}

func manyQueries(n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString("---\n" + openai.QueryManifest(fmt.Sprintf("query-%03d", i), fmt.Sprintf("question %d", i)))
	}
	return all.String()
}
