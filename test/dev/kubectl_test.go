package dev_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const agentManifest = `apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata:
  name: weather
  labels: {team: blue}
spec:
  description: first
  prompt: You know the weather.
  tools:
  - {type: http, name: get-weather}
`

const configMapManifest = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: green}
`

// TestKubectl goes through what people do with kubectl, each part in a
// namespace of its own of one server.
func TestKubectl(t *testing.T) {
	d := startDev(t)
	parts := []struct {
		name string
		run  func(t *testing.T, d *dev, ns string)
	}{
		{"get", testGet}, {"watch", testWatch}, {"chunks", testChunks}, {"describe", testDescribe},
		{"explain", testExplain}, {"apply", testApply}, {"serverSideApply", testServerSideApply},
		{"diff", testDiff}, {"edit", testEdit}, {"patch", testPatch}, {"metadata", testMetadata},
		{"delete", testDelete}, {"wait", testWait}, {"dryRun", testDryRun}, {"refuse", testRefuse},
		{"unknownFields", testUnknownFields}, {"events", testEvents}, {"expiry", testExpiry}, {"statusApart", testStatusApart},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			ns := strings.ToLower(part.name)
			d.kubectl(t, "", "create", "namespace", ns)
			part.run(t, d, ns)
		})
	}
	t.Run("apiResources", func(t *testing.T) {
		out := d.kubectl(t, "", "api-resources", "--api-group=ark.mckinsey.com")
		for _, kind := range []string{"Agent", "Model", "Query", "Team", "Tool", "MCPServer", "Memory", "A2ATask", "ArkConfig", "A2AServer", "ExecutionEngine"} {
			mustContain(t, out, kind)
		}
	})
}

func mustContain(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Fatalf("%q is missing in:\n%s", want, out)
		}
	}
}

func mustNotContain(t *testing.T, out string, unwanted ...string) {
	t.Helper()
	for _, s := range unwanted {
		if strings.Contains(out, s) {
			t.Fatalf("%q is unexpected in:\n%s", s, out)
		}
	}
}

// mustFail runs kubectl, which must fail and say so in these words.
func mustFail(t *testing.T, d *dev, stdin string, wants []string, args ...string) {
	t.Helper()
	out, err := d.try(stdin, args...)
	if err == nil {
		t.Fatalf("kubectl %s did not fail:\n%s", strings.Join(args, " "), out)
	}
	mustContain(t, err.Error(), wants...)
}

func testGet(t *testing.T, d *dev, ns string) {
	mustContain(t, d.kubectl(t, "", "get", "agents", "-n", ns), "No resources found")
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	mustFail(t, d, agentManifest, []string{"AlreadyExists"}, "create", "-n", ns, "-f", "-")
	table := d.kubectl(t, "", "get", "agents", "-n", ns)
	mustContain(t, table, "NAME", "MODEL", "AVAILABLE", "AGE", "weather", "default")
	mustContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"),
		"kind: Agent", "prompt: You know the weather.", "generation: 1", "resourceVersion:", "uid:")
	mustContain(t, d.kubectl(t, "", "get", "agents", "-A", "-o", "wide"), "NAMESPACE", ns)
	mustContain(t, d.kubectl(t, "", "get", "agents", "-n", ns, "-l", "team=blue"), "weather")
	mustNotContain(t, d.kubectl(t, "", "get", "agents", "-n", ns, "-l", "team=red"), "weather")
	mustContain(t, d.kubectl(t, "", "get", "agents", "-n", ns, "--field-selector", "metadata.name=weather"), "weather")
	mustNotContain(t, d.kubectl(t, "", "get", "agents", "-n", ns, "--field-selector", "metadata.name!=weather"), "weather")
	mustContain(t, d.kubectl(t, "", "get", "ark", "-n", ns), "weather")
	mustFail(t, d, "", []string{"NotFound"}, "get", "agent", "nobody", "-n", ns)
	mustContain(t, d.kubectl(t, "", "get", "namespaces"), "default", "kube-system", "Active")
}

func testWatch(t *testing.T, d *dev, ns string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.kubectl, "get", "configmaps", "-n", ns, "-w", "--output-watch-events")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.kubeconfig(), "HOME="+d.dataDir)
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
	d.kubectl(t, configMapManifest, "create", "-n", ns, "-f", "-")
	expectLine(t, lines, "ADDED", "settings")
	d.kubectl(t, "", "label", "-n", ns, "configmap", "settings", "a=b")
	expectLine(t, lines, "MODIFIED", "settings")
	d.kubectl(t, "", "delete", "-n", ns, "configmap", "settings")
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
			mustContain(t, line, wants...)
			return
		case <-time.After(30 * time.Second):
			t.Fatalf("no event %v", wants)
		}
	}
}

func testChunks(t *testing.T, d *dev, ns string) {
	var all strings.Builder
	for i := range 25 {
		fmt.Fprintf(&all, "---\napiVersion: ark.mckinsey.com/v1alpha1\nkind: Agent\nmetadata: {name: agent-%02d}\nspec: {prompt: p}\n", i)
	}
	d.kubectl(t, all.String(), "create", "-n", ns, "-f", "-")
	out := d.kubectl(t, "", "get", "agents", "-n", ns, "--chunk-size=10", "-o", "name")
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
	raw := d.kubectl(t, "", "get", "--raw", "/apis/ark.mckinsey.com/v1alpha1/namespaces/"+ns+"/agents?limit=10")
	if err := json.Unmarshal([]byte(raw), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 10 || page.Metadata.Continue == "" || page.Metadata.RemainingItemCount == nil || *page.Metadata.RemainingItemCount != 15 {
		t.Fatalf("the first of three pages is %d items, %+v", len(page.Items), page.Metadata)
	}
}

func testDescribe(t *testing.T, d *dev, ns string) {
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	mustContain(t, d.kubectl(t, "", "describe", "agent", "weather", "-n", ns), "Name:", "weather", "Prompt:", "Events:")
	mustContain(t, d.kubectl(t, "", "describe", "namespace", ns), ns, "Active")
}

func testExplain(t *testing.T, d *dev, _ string) {
	mustContain(t, d.kubectl(t, "", "explain", "query.spec.target"), "GROUP:", "ark.mckinsey.com", "name", "-required-", "type")
	mustContain(t, d.kubectl(t, "", "explain", "agent.spec.tools", "--recursive"), "partial", "parameters", "valueFrom")
	schema := d.kubectl(t, "", "explain", "agent.spec.outputSchema")
	mustContain(t, schema, "JSON schema that the Agent", "Any object, kept as it is written.")
	if lines := strings.Count(schema, "\n"); lines > 20 {
		t.Errorf("it takes %d lines:\n%s", lines, schema)
	}
}

func testApply(t *testing.T, d *dev, ns string) {
	mustContain(t, d.kubectl(t, agentManifest, "apply", "-n", ns, "-f", "-"), "created")
	mustContain(t, d.kubectl(t, agentManifest, "apply", "-n", ns, "-f", "-"), "unchanged")
	changed := strings.Replace(agentManifest, "description: first", "description: second", 1)
	mustContain(t, d.kubectl(t, changed, "apply", "-n", ns, "-f", "-"), "configured")
	mustContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.spec.description} {.metadata.generation}"), "second 2")
}

func testServerSideApply(t *testing.T, d *dev, ns string) {
	apply := func(manager, manifest string, extra ...string) (string, error) {
		args := append([]string{"apply", "--server-side", "--field-manager", manager, "-n", ns, "-f", "-"}, extra...)
		return d.try(manifest, args...)
	}
	if _, err := apply("one", agentManifest); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(agentManifest, "description: first", "description: second", 1)
	_, err := apply("two", changed)
	if err == nil {
		t.Fatal("another manager's field was overwritten without a conflict")
	}
	mustContain(t, err.Error(), "conflict", `"one"`, ".spec.description")
	if _, err := apply("two", changed, "--force-conflicts"); err != nil {
		t.Fatal(err)
	}
	mustContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "--show-managed-fields", "-o", "yaml"), "manager: two", "manager: one", "description: second")
	query := queryManifest("asked", "What?")
	query = strings.Replace(query, "spec:", "  annotations: {ark.mckinsey.com/hold: \"true\"}\nspec:", 1)
	query = strings.Replace(query, "metadata: {name: asked}\n", "metadata:\n  name: asked\n", 1)
	query = strings.Replace(query, "name: echo", "name: weather", 1)
	if _, err := apply("one", query); err != nil {
		t.Fatalf("a string as the input of a Query: %v", err)
	}
}

func testDiff(t *testing.T, d *dev, ns string) {
	d.kubectl(t, agentManifest, "apply", "-n", ns, "-f", "-")
	d.kubectl(t, agentManifest, "diff", "-n", ns, "-f", "-")
	changed := strings.Replace(agentManifest, "description: first", "description: second", 1)
	out, err := d.try(changed, "diff", "-n", ns, "-f", "-")
	if err == nil {
		t.Fatal("diff found no difference")
	}
	mustContain(t, out+err.Error(), "-  description: first", "+  description: second")
}

func testEdit(t *testing.T, d *dev, ns string) {
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/description: first/description: edited/' \"$1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBE_EDITOR", editor)
	mustContain(t, d.kubectl(t, "", "edit", "agent", "weather", "-n", ns), "edited")
	mustContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "description: edited")
}

func testPatch(t *testing.T, d *dev, ns string) {
	d.kubectl(t, configMapManifest, "create", "-n", ns, "-f", "-")
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	description := func() string {
		return d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.spec.description}")
	}
	d.kubectl(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p", `{"spec":{"description":"merged"}}`)
	mustContain(t, description(), "merged")
	d.kubectl(t, "", "patch", "agent", "weather", "-n", ns, "--type=json", "-p", `[{"op":"replace","path":"/spec/description","value":"replaced"}]`)
	mustContain(t, description(), "replaced")
	d.kubectl(t, "", "patch", "configmap", "settings", "-n", ns, "--type=strategic", "-p", `{"data":{"size":"big"}}`)
	mustContain(t, d.kubectl(t, "", "get", "configmap", "settings", "-n", ns, "-o", "jsonpath={.data}"), "green", "big")
}

func testMetadata(t *testing.T, d *dev, ns string) {
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "label", "agent", "weather", "-n", ns, "stage=test")
	d.kubectl(t, "", "annotate", "agent", "weather", "-n", ns, "note=hello")
	out := d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.labels} {.metadata.annotations} {.metadata.generation}")
	mustContain(t, out, `"stage":"test"`, `"note":"hello"`, " 1")
}

func testDelete(t *testing.T, d *dev, ns string) {
	two := agentManifest + "---\n" + strings.Replace(agentManifest, "name: weather", "name: other", 1)
	d.kubectl(t, two, "create", "-n", ns, "-f", "-")
	mustContain(t, d.kubectl(t, "", "delete", "agent", "weather", "-n", ns), "deleted")
	mustFail(t, d, "", []string{"NotFound"}, "delete", "agent", "weather", "-n", ns)
	mustContain(t, d.kubectl(t, "", "delete", "agents", "--all", "-n", ns), "other", "deleted")
	d.kubectl(t, strings.Replace(agentManifest, "labels:", "finalizers: [example.com/wait]\n  labels:", 1), "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "delete", "agent", "weather", "-n", ns, "--wait=false")
	mustContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "deletionTimestamp:")
	d.kubectl(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	mustFail(t, d, "", []string{"NotFound"}, "get", "agent", "weather", "-n", ns)
}

func testWait(t *testing.T, d *dev, ns string) {
	m := newModelServer(t)
	d.kubectl(t, m.manifests(), "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "wait", "-n", ns, "model/default", "--for=condition=ModelAvailable", "--timeout=30s")
	d.kubectl(t, queryManifest("first", "Who are you?"), "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "wait", "-n", ns, "query/first", "--for=condition=Completed", "--timeout=30s")
	d.kubectl(t, "", "wait", "-n", ns, "query/first", "--for=jsonpath={.status.phase}=done", "--timeout=30s")
	mustContain(t, d.kubectl(t, "", "get", "query", "first", "-n", ns, "-o", "jsonpath={.status.response.content} {.status.tokenUsage.totalTokens}"),
		"answer to Who are you? 10")
	mustContain(t, d.kubectl(t, "", "get", "queries", "-n", ns), "TYPE", "PHASE", "DURATION", "done")
	mustContain(t, d.kubectl(t, "", "get", "queries", "-n", ns, "--field-selector", "status.phase=done"), "first")
}

func testDryRun(t *testing.T, d *dev, ns string) {
	mustContain(t, d.kubectl(t, agentManifest, "create", "-n", ns, "--dry-run=server", "-f", "-"), "created (server dry run)")
	mustContain(t, d.kubectl(t, "", "get", "agents", "-n", ns), "No resources found")
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	before := d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}")
	d.kubectl(t, strings.Replace(agentManifest, "first", "second", 1), "apply", "-n", ns, "--dry-run=server", "-f", "-")
	d.kubectl(t, "", "delete", "agent", "weather", "-n", ns, "--dry-run=server")
	if after := d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}"); after != before {
		t.Fatalf("a dry run moved the resource version from %s to %s", before, after)
	}
}

func testRefuse(t *testing.T, d *dev, ns string) {
	mustFail(t, d, agentManifest, []string{"namespaces", "nowhere", "not found"}, "create", "-n", "nowhere", "-f", "-")
	mustFail(t, d, strings.Replace(agentManifest, "type: http", "type: carrier-pigeon", 1),
		[]string{"spec.tools[0].type", "Unsupported value", "carrier-pigeon"}, "create", "-n", ns, "-f", "-")
	mustFail(t, d, queryManifest("lost", "Where?"), []string{"spec.target.name", "echo"}, "create", "-n", ns, "-f", "-")
	mustFail(t, d, strings.Replace(queryManifest("bad", "?"), "type: agent", "type: oracle", 1),
		[]string{"spec.target.type"}, "create", "-n", ns, "-f", "-")
	mustFail(t, d, strings.Replace(agentManifest, "name: weather", "name: Not_A_Name", 1), []string{"metadata.name"}, "create", "-n", ns, "-f", "-")
}

func testUnknownFields(t *testing.T, d *dev, ns string) {
	unknown := strings.Replace(agentManifest, "  prompt:", "  colour: blue\n  prompt:", 1)
	mustFail(t, d, unknown, []string{`unknown field "spec.colour"`}, "create", "-n", ns, "-f", "-")
	mustContain(t, d.kubectl(t, unknown, "create", "-n", ns, "--validate=warn", "-f", "-"), `unknown field "spec.colour"`, "created")
	mustNotContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "colour")
}

func testEvents(t *testing.T, d *dev, ns string) {
	m := newModelServer(t)
	d.kubectl(t, m.manifests(), "create", "-n", ns, "-f", "-")
	d.kubectl(t, queryManifest("told", "What happens?"), "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "wait", "-n", ns, "query/told", "--for=condition=Completed", "--timeout=30s")
	d.eventually(30*time.Second, "events of the query", func() error {
		out, err := d.try("", "events", "-n", ns, "--for", "query/told")
		if err == nil && !strings.Contains(out, "QueryExecutionComplete") {
			err = fmt.Errorf("events are:\n%s", out)
		}
		return err
	})
	mustContain(t, d.kubectl(t, "", "describe", "query", "told", "-n", ns), "QueryExecutionStart", "QueryExecutionComplete")
	mustContain(t, d.kubectl(t, "", "get", "events", "-n", ns), "QueryExecutionComplete", "query/told")
}

func testStatusApart(t *testing.T, d *dev, ns string) {
	d.kubectl(t, agentManifest, "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p",
		`{"status":{"conditions":[{"type":"X","status":"True","reason":"Because","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	mustNotContain(t, d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "reason: Because")
	d.kubectl(t, "", "patch", "agent", "weather", "-n", ns, "--subresource=status", "--type=merge", "-p",
		`{"spec":{"description":"by status"},"status":{"conditions":[{"type":"X","status":"True","reason":"Because","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	out := d.kubectl(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml")
	mustContain(t, out, "reason: Because", "description: first", "generation: 1")
}

// testExpiry: a finished query is deleted when its time to live, counted from its
// completion, has passed.
func testExpiry(t *testing.T, d *dev, ns string) {
	m := newModelServer(t)
	d.kubectl(t, m.manifests(), "create", "-n", ns, "-f", "-")
	short := strings.Replace(queryManifest("short", "Now?"), "spec:\n", "spec:\n  ttl: 1s\n", 1)
	d.kubectl(t, short+"---\n"+queryManifest("kept", "Later?"), "create", "-n", ns, "-f", "-")
	d.kubectl(t, "", "wait", "-n", ns, "query/kept", "--for=condition=Completed", "--timeout=30s")
	d.kubectl(t, "", "wait", "-n", ns, "query/short", "--for=delete", "--timeout=60s")
	mustContain(t, d.kubectl(t, "", "get", "queries", "-n", ns), "kept")
}
