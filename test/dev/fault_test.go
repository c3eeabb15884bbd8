package dev_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
	"mckinsey.com/ark/test/process"
)

// TestModelFaults asks models that fail, each in its way: the Query must end in
// error with a message that names the cause, and the next one must be answered.
func TestModelFaults(t *testing.T) {
	m := openai.Start(t)
	d := startDev(t)
	d.Run(t, m.Manifests(), "create", "-f", "-")
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	cases := []struct {
		name   string
		handle http.HandlerFunc
		wants  []string
	}{
		{"unauthorized", status(401, `{"error":{"message":"bad key","type":"auth","code":"x"}}`), []string{"401", "bad key"}},
		{"throttled", status(429, `{"error":{"message":"slow down","type":"rate","code":"x"}}`), []string{"429", "slow down"}},
		{"broken", status(500, `{"error":{"message":"oh no","type":"server","code":"x"}}`), []string{"500", "oh no"}},
		{"garbage", status(200, `<html>hello</html>`), []string{`model "default" (scripted)`, "the answer is not a chat completion: <html>hello</html>"}},
		{"other-json", status(200, `{"hello":"world"}`), []string{"the answer is not a chat completion", `{"hello":"world"}`}},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			[]string{"TimedOutInExecution", "The execution took longer than spec.timeout (8s)", "no answer in time"}},
		{"throttled-for-long", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "100")
			status(429, `{"error":{"message":"slow down","type":"rate","code":"x"}}`)(w, r)
		}, []string{"QueryErrored", "429", "slow down", "asks to wait 1m40s, which is longer than the Query may take"}},
		{"reset", reset, []string{"QueryErrored", "no answer", "connection reset by peer"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m.Fail(c.handle)
			defer m.Fail(nil)
			query := strings.Replace(openai.QueryManifest(c.name, "Hello?"), "spec:\n", "spec:\n  timeout: 8s\n", 1)
			d.Run(t, query, "create", "-f", "-")
			d.Run(t, "", "wait", "query/"+c.name, "--for=condition=Completed", "--timeout=60s")
			out := d.Run(t, "", "get", "query", c.name, "-o",
				`jsonpath={.status.phase}: {.status.conditions[?(@.type=="Completed")].reason} {.status.response.content}`)
			if !strings.HasPrefix(out, "error: ") {
				t.Fatalf("the query is %s", out)
			}
			kubectl.Contain(t, out, c.wants...)
			kubectl.NotContain(t, out, "planted-secret-value")
		})
	}
	d.Run(t, openai.QueryManifest("healthy", "Still there?"), "create", "-f", "-")
	d.Run(t, "", "wait", "query/healthy", "--for=jsonpath={.status.phase}=done", "--timeout=60s")
	log, err := os.ReadFile(filepath.Join(d.dataDir, "ark.log"))
	if err != nil {
		t.Fatal(err)
	}
	kubectl.NotContain(t, d.log.String()+string(log), "planted-secret-value")
}

// reset ends the connection as a process does that dies.
func reset(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // The server of the test can be hijacked.
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// TestBadStart starts with what cannot work: a clear message and a failure, in
// bounded time.
func TestBadStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port

	oldVersion := dataDir(t)
	cluster := filepath.Join(oldVersion, "postgresql")
	if err := os.MkdirAll(cluster, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	cases := []struct {
		name  string
		args  []string
		wants []string
	}{
		{"unreachable database", []string{"--data-dir", dataDir(t), "--port", fmt.Sprint(process.FreePort(t)),
			"--database-url", fmt.Sprintf("postgres://ark:pw-in-url@127.0.0.1:%d/ark", process.FreePort(t)), "--database-timeout", "3s"},
			[]string{"database", "3s"}},
		{"port in use", []string{"--data-dir", dataDir(t), "--port", fmt.Sprint(port)}, []string{fmt.Sprint(port), "in use"}},
		{"data of another version", []string{"--data-dir", oldVersion, "--port", fmt.Sprint(process.FreePort(t))}, []string{"PostgreSQL 9", "PostgreSQL version"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(programs.ark, append([]string{"dev"}, c.args...)...)
			timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
			out, err := cmd.CombinedOutput()
			if !timer.Stop() {
				t.Fatalf("it did not end within a minute:\n%s", out)
			}
			if err == nil {
				t.Fatalf("it did not fail:\n%s", out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			kubectl.Contain(t, lines[len(lines)-1], append(c.wants, "ark")...)
			kubectl.NotContain(t, string(out), "pw-in-url", "goroutine ")
		})
	}
}
