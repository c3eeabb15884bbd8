package kubectl

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func testGet(t *testing.T, c *Client, ns string) {
	Contain(t, c.Run(t, "", "get", "agents", "-n", ns), "No resources found")
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	c.MustFail(t, AgentManifest, []string{"AlreadyExists"}, "create", "-n", ns, "-f", "-")
	table := c.Run(t, "", "get", "agents", "-n", ns)
	Contain(t, table, "NAME", "MODEL", "AVAILABLE", "AGE", "weather", "default")
	Contain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"),
		"kind: Agent", "prompt: You know the weather.", "generation: 1", "resourceVersion:", "uid:")
	Contain(t, c.Run(t, "", "get", "agents", "-A", "-o", "wide"), "NAMESPACE", ns)
	Contain(t, c.Run(t, "", "get", "agents", "-n", ns, "-l", "team=blue"), "weather")
	NotContain(t, c.Run(t, "", "get", "agents", "-n", ns, "-l", "team=red"), "weather")
	Contain(t, c.Run(t, "", "get", "agents", "-n", ns, "--field-selector", "metadata.name=weather"), "weather")
	NotContain(t, c.Run(t, "", "get", "agents", "-n", ns, "--field-selector", "metadata.name!=weather"), "weather")
	Contain(t, c.Run(t, "", "get", "ark", "-n", ns), "weather")
	c.MustFail(t, "", []string{"NotFound"}, "get", "agent", "nobody", "-n", ns)
	Contain(t, c.Run(t, "", "get", "namespaces"), "default", "kube-system", "Active")
}

func testWatch(t *testing.T, c *Client, ns string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := c.Command(ctx, "get", "configmaps", "-n", ns, "-w", "--output-watch-events", "--field-selector", "metadata.name=settings")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	c.Run(t, ConfigMapManifest, "create", "-n", ns, "-f", "-")
	expectLine(t, lines, "ADDED", "settings")
	c.Run(t, "", "label", "-n", ns, "configmap", "settings", "a=b")
	expectLine(t, lines, "MODIFIED", "settings")
	c.Run(t, "", "delete", "-n", ns, "configmap", "settings")
	expectLine(t, lines, "DELETED", "settings")
	cancel()
	_ = cmd.Wait()
}

func expectLine(t *testing.T, lines <-chan string, wants ...string) {
	t.Helper()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the watch ended before %v", wants)
			}
			if strings.HasPrefix(line, "EVENT") {
				continue
			}
			Contain(t, line, wants...)
			return
		case <-time.After(30 * time.Second):
			t.Fatalf("no event %v", wants)
		}
	}
}

func testChunks(t *testing.T, c *Client, ns string) {
	var all strings.Builder
	for i := range 25 {
		fmt.Fprintf(&all, "---\napiVersion: ark.mckinsey.com/v1alpha1\nkind: Agent\nmetadata: {name: agent-%02d}\nspec: {prompt: p}\n", i)
	}
	c.Run(t, all.String(), "create", "-n", ns, "-f", "-")
	out := c.Run(t, "", "get", "agents", "-n", ns, "--chunk-size=10", "-o", "name")
	if n := strings.Count(out, "agent.ark.mckinsey.com/"); n != 25 {
		t.Fatalf("25 agents in chunks of 10 came back as %d:\n%s", n, out)
	}
	var page struct {
		Metadata struct {
			Continue           string `json:"continue"`
			RemainingItemCount *int64 `json:"remainingItemCount"`
		} `json:"metadata"`
		Items []struct{} `json:"items"`
	}
	raw := c.Run(t, "", "get", "--raw", "/apis/ark.mckinsey.com/v1alpha1/namespaces/"+ns+"/agents?limit=10")
	if err := json.Unmarshal([]byte(raw), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 10 || page.Metadata.Continue == "" || page.Metadata.RemainingItemCount == nil || *page.Metadata.RemainingItemCount != 15 {
		t.Fatalf("the first of three pages is %d items, %+v", len(page.Items), page.Metadata)
	}
}

func testDescribe(t *testing.T, c *Client, ns string) {
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	Contain(t, c.Run(t, "", "describe", "agent", "weather", "-n", ns), "Name:", "weather", "Prompt:", "Events:")
	Contain(t, c.Run(t, "", "describe", "namespace", ns), ns, "Active")
}

func testExplain(t *testing.T, c *Client, _ string) {
	Contain(t, c.Run(t, "", "explain", "query.spec.target"), "GROUP:", "ark.mckinsey.com", "name", "-required-", "type")
	Contain(t, c.Run(t, "", "explain", "agent.spec.tools", "--recursive"), "partial", "parameters", "valueFrom")
	schema := c.Run(t, "", "explain", "agent.spec.outputSchema")
	Contain(t, schema, "JSON schema that the Agent")
	if lines := strings.Count(schema, "\n"); lines > 20 {
		t.Errorf("it takes %d lines:\n%s", lines, schema)
	}
}
