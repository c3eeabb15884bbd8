package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// testMetrics reads metrics as whoever the cluster lets, and as others.
func testMetrics(t *testing.T, i *installation, _ int) {
	port := freePort(t)
	i.module(t, "workers", "--identity=measured", fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", port))
	i.Run(t, "", "create", "namespace", "scraping")
	for _, name := range []string{"scraper", "stranger"} {
		i.Run(t, "", "create", "serviceaccount", name, "-n", "scraping")
	}
	i.Run(t, "", "create", "clusterrolebinding", "scraper", "--clusterrole=ark-metrics-reader", "--serviceaccount=scraping:scraper")
	token := func(name string) string {
		return strings.TrimSpace(i.Run(t, "", "create", "token", name, "-n", "scraping"))
	}
	scraper, stranger := token("scraper"), token("stranger")
	eventually(t, patience, "the metrics can be read", func() error {
		status, body := scrape(t, port, scraper)
		for _, want := range []string{"ark_queue_entries{state=\"queued\"}", "ark_database_statement_duration_seconds_count", "ark_queries_running", "go_goroutines"} {
			if status != http.StatusOK || !strings.Contains(body, want) {
				return fmt.Errorf("HTTP %d without %s", status, want)
			}
		}
		return nil
	})
	if status, body := scrape(t, port, stranger); status != http.StatusForbidden {
		t.Errorf("a stranger got HTTP %d: %.200s", status, body)
	}
	if status, body := scrape(t, port, ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: HTTP %d: %.200s", status, body)
	}
}

func scrape(t testing.TB, port int, token string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as Prometheus does with a self-signed certificate
	defer client.CloseIdleConnections()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, address(port)+"/metrics", nil))(t)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// testAudit looks for who did what in the audit log of the server.
func testAudit(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "audited")
	i.Run(t, "", "create", "rolebinding", "auditee", "-n", "audited", "--clusterrole=edit", "--user=auditee")
	manifest := `{apiVersion: ark.mckinsey.com/v1alpha1, kind: Agent, metadata: {name: watched}, spec: {prompt: p}}`
	eventually(t, patience, "the user may write", func() error {
		_, err := i.Try(manifest, "apply", "-n", "audited", "--as=auditee", "-f", "-")
		return err
	})
	eventually(t, patience, "the write is in the audit log", func() error {
		content, err := os.ReadFile(i.file("audit.log"))
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(content), "\n") {
			var e struct {
				Verb      string                    `json:"verb"`
				User      struct{ Username string } `json:"user"`
				ObjectRef struct{ Name string }     `json:"objectRef"`
			}
			if json.Unmarshal([]byte(line), &e) == nil && e.User.Username == "auditee" && e.ObjectRef.Name == "watched" && e.Verb != "get" {
				return nil
			}
		}
		return fmt.Errorf("not among %d lines", strings.Count(string(content), "\n"))
	})
}

// audited are the flags of a server that writes an audit log.
func (i *installation) audited(t testing.TB, log string) []string {
	t.Helper()
	writeFile(t, i.file("audit-policy.yaml"), []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n"))
	return []string{"--audit-policy-file", i.file("audit-policy.yaml"), "--audit-log-path", i.file(log)}
}

// testProbes: what a kubelet asks.
func testProbes(t *testing.T, i *installation, port int) {
	for path, wants := range map[string][]string{"/readyz?verbose": {"[+]postgresql ok", "[+]schema ok"}, "/livez?verbose": {"[+]ping ok"}} {
		status, body := probe(t, port, path)
		if status != http.StatusOK {
			t.Errorf("%s: HTTP %d: %s", path, status, body)
		}
		kubectl.Contain(t, body, wants...)
	}
	_, body := probe(t, port, "/livez?verbose")
	kubectl.NotContain(t, body, "postgresql", "schema")
	probes := freePort(t)
	i.module(t, "controllers", "--identity=probed", fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", probes))
	eventually(t, patience, "a module without an API server is ready", func() error {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", probes))
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			body, err := io.ReadAll(res.Body)
			return fmt.Errorf("HTTP %d: %s %w", res.StatusCode, body, err)
		}
		return nil
	})
}
