package kubectl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/openai"
)

func testWait(t *testing.T, c *Client, ns string) {
	m := openai.Start(t)
	c.Run(t, m.Manifests(), "create", "-n", ns, "-f", "-")
	c.Run(t, "", "wait", "-n", ns, "model/default", "--for=condition=ModelAvailable", "--timeout=30s")
	c.Run(t, openai.QueryManifest("first", "Who are you?"), "create", "-n", ns, "-f", "-")
	c.Run(t, "", "wait", "-n", ns, "query/first", "--for=condition=Completed", "--timeout=30s")
	c.Run(t, "", "wait", "-n", ns, "query/first", "--for=jsonpath={.status.phase}=done", "--timeout=30s")
	Contain(t, c.Run(t, "", "get", "query", "first", "-n", ns, "-o", "jsonpath={.status.response.content} {.status.tokenUsage.totalTokens}"),
		"answer to Who are you? 10")
	Contain(t, c.Run(t, "", "get", "queries", "-n", ns), "TYPE", "PHASE", "DURATION", "done")
	Contain(t, c.Run(t, "", "get", "queries", "-n", ns, "--field-selector", "status.phase=done"), "first")
}

func testEvents(t *testing.T, c *Client, ns string) {
	m := openai.Start(t)
	c.Run(t, m.Manifests(), "create", "-n", ns, "-f", "-")
	c.Run(t, openai.QueryManifest("told", "What happens?"), "create", "-n", ns, "-f", "-")
	c.Run(t, "", "wait", "-n", ns, "query/told", "--for=condition=Completed", "--timeout=30s")
	c.Eventually(t, 30*time.Second, "events of the query", func() error {
		out, err := c.Try("", "events", "-n", ns, "--for", "query/told")
		if err == nil && !strings.Contains(out, "QueryExecutionComplete") {
			err = fmt.Errorf("events are:\n%s", out)
		}
		return err
	})
	Contain(t, c.Run(t, "", "describe", "query", "told", "-n", ns), "QueryExecutionStart", "QueryExecutionComplete")
	Contain(t, c.Run(t, "", "get", "events", "-n", ns), "QueryExecutionComplete", "query/told")
}

// testExpiry: a finished query is deleted when its time to live, counted from its
// completion, has passed.
func testExpiry(t *testing.T, c *Client, ns string) {
	m := openai.Start(t)
	c.Run(t, m.Manifests(), "create", "-n", ns, "-f", "-")
	short := strings.Replace(openai.QueryManifest("short", "Now?"), "spec:\n", "spec:\n  ttl: 1s\n", 1)
	c.Run(t, short+"---\n"+openai.QueryManifest("kept", "Later?"), "create", "-n", ns, "-f", "-")
	c.Run(t, "", "wait", "-n", ns, "query/kept", "--for=condition=Completed", "--timeout=30s")
	c.Run(t, "", "wait", "-n", ns, "query/short", "--for=delete", "--timeout=60s")
	Contain(t, c.Run(t, "", "get", "queries", "-n", ns), "kept")
}
