package kubectl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mckinsey.com/ark/test/openai"
)

func testApply(t *testing.T, c *Client, ns string) {
	Contain(t, c.Run(t, AgentManifest, "apply", "-n", ns, "-f", "-"), "created")
	Contain(t, c.Run(t, AgentManifest, "apply", "-n", ns, "-f", "-"), "unchanged")
	changed := strings.Replace(AgentManifest, "description: first", "description: second", 1)
	Contain(t, c.Run(t, changed, "apply", "-n", ns, "-f", "-"), "configured")
	Contain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.spec.description} {.metadata.generation}"), "second 2")
}

func testServerSideApply(t *testing.T, c *Client, ns string) {
	apply := func(manager, manifest string, extra ...string) (string, error) {
		args := append([]string{"apply", "--server-side", "--field-manager", manager, "-n", ns, "-f", "-"}, extra...)
		return c.Try(manifest, args...)
	}
	if _, err := apply("one", AgentManifest); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(AgentManifest, "description: first", "description: second", 1)
	_, err := apply("two", changed)
	if err == nil {
		t.Fatal("another manager's field was overwritten without a conflict")
	}
	Contain(t, err.Error(), "conflict", `"one"`, ".spec.description")
	if _, err := apply("two", changed, "--force-conflicts"); err != nil {
		t.Fatal(err)
	}
	Contain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "--show-managed-fields", "-o", "yaml"), "manager: two", "manager: one", "description: second")
	query := openai.QueryManifest("asked", "What?")
	query = strings.Replace(query, "spec:", "  annotations: {ark.mckinsey.com/hold: \"true\"}\nspec:", 1)
	query = strings.Replace(query, "metadata: {name: asked}\n", "metadata:\n  name: asked\n", 1)
	query = strings.Replace(query, "name: echo", "name: weather", 1)
	if _, err := apply("one", query); err != nil {
		t.Fatalf("a string as the input of a Query: %v", err)
	}
}

func testDiff(t *testing.T, c *Client, ns string) {
	c.Run(t, AgentManifest, "apply", "-n", ns, "-f", "-")
	c.Run(t, AgentManifest, "diff", "-n", ns, "-f", "-")
	changed := strings.Replace(AgentManifest, "description: first", "description: second", 1)
	out, err := c.Try(changed, "diff", "-n", ns, "-f", "-")
	if err == nil {
		t.Fatal("diff found no difference")
	}
	Contain(t, out+err.Error(), "-  description: first", "+  description: second")
}

func testEdit(t *testing.T, c *Client, ns string) {
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/description: first/description: edited/' \"$1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBE_EDITOR", editor)
	Contain(t, c.Run(t, "", "edit", "agent", "weather", "-n", ns), "edited")
	Contain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "description: edited")
}

func testPatch(t *testing.T, c *Client, ns string) {
	c.Run(t, ConfigMapManifest, "create", "-n", ns, "-f", "-")
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	description := func() string {
		return c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.spec.description}")
	}
	c.Run(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p", `{"spec":{"description":"merged"}}`)
	Contain(t, description(), "merged")
	c.Run(t, "", "patch", "agent", "weather", "-n", ns, "--type=json", "-p", `[{"op":"replace","path":"/spec/description","value":"replaced"}]`)
	Contain(t, description(), "replaced")
	c.Run(t, "", "patch", "configmap", "settings", "-n", ns, "--type=strategic", "-p", `{"data":{"size":"big"}}`)
	Contain(t, c.Run(t, "", "get", "configmap", "settings", "-n", ns, "-o", "jsonpath={.data}"), "green", "big")
}

func testMetadata(t *testing.T, c *Client, ns string) {
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	c.Run(t, "", "label", "agent", "weather", "-n", ns, "stage=test")
	c.Run(t, "", "annotate", "agent", "weather", "-n", ns, "note=hello")
	out := c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.labels} {.metadata.annotations} {.metadata.generation}")
	Contain(t, out, `"stage":"test"`, `"note":"hello"`, " 1")
}

func testDelete(t *testing.T, c *Client, ns string) {
	two := AgentManifest + "---\n" + strings.Replace(AgentManifest, "name: weather", "name: other", 1)
	c.Run(t, two, "create", "-n", ns, "-f", "-")
	Contain(t, c.Run(t, "", "delete", "agent", "weather", "-n", ns), "deleted")
	c.MustFail(t, "", []string{"NotFound"}, "delete", "agent", "weather", "-n", ns)
	Contain(t, c.Run(t, "", "delete", "agents", "--all", "-n", ns), "other", "deleted")
	c.Run(t, strings.Replace(AgentManifest, "labels:", "finalizers: [example.com/wait]\n  labels:", 1), "create", "-n", ns, "-f", "-")
	c.Run(t, "", "delete", "agent", "weather", "-n", ns, "--wait=false")
	Contain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "deletionTimestamp:")
	c.Run(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	c.MustFail(t, "", []string{"NotFound"}, "get", "agent", "weather", "-n", ns)
}

func testDryRun(t *testing.T, c *Client, ns string) {
	Contain(t, c.Run(t, AgentManifest, "create", "-n", ns, "--dry-run=server", "-f", "-"), "created (server dry run)")
	Contain(t, c.Run(t, "", "get", "agents", "-n", ns), "No resources found")
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	before := c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}")
	c.Run(t, strings.Replace(AgentManifest, "first", "second", 1), "apply", "-n", ns, "--dry-run=server", "-f", "-")
	c.Run(t, "", "delete", "agent", "weather", "-n", ns, "--dry-run=server")
	if after := c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}"); after != before {
		t.Fatalf("a dry run moved the resource version from %s to %s", before, after)
	}
}

func testRefuse(t *testing.T, c *Client, ns string) {
	c.MustFail(t, AgentManifest, []string{"namespaces", "nowhere", "not found"}, "create", "-n", "nowhere", "-f", "-")
	c.MustFail(t, strings.Replace(AgentManifest, "type: http", "type: carrier-pigeon", 1),
		[]string{"spec.tools[0].type", "Unsupported value", "carrier-pigeon"}, "create", "-n", ns, "-f", "-")
	c.MustFail(t, openai.QueryManifest("lost", "Where?"), []string{"spec.target.name", "echo"}, "create", "-n", ns, "-f", "-")
	c.MustFail(t, strings.Replace(openai.QueryManifest("bad", "?"), "type: agent", "type: oracle", 1),
		[]string{"spec.target.type"}, "create", "-n", ns, "-f", "-")
	c.MustFail(t, strings.Replace(AgentManifest, "name: weather", "name: Not_A_Name", 1), []string{"metadata.name"}, "create", "-n", ns, "-f", "-")
}

func testUnknownFields(t *testing.T, c *Client, ns string) {
	unknown := strings.Replace(AgentManifest, "  prompt:", "  colour: blue\n  prompt:", 1)
	c.MustFail(t, unknown, []string{`unknown field "spec.colour"`}, "create", "-n", ns, "-f", "-")
	Contain(t, c.Run(t, unknown, "create", "-n", ns, "--validate=warn", "-f", "-"), `unknown field "spec.colour"`, "created")
	NotContain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "colour")
}

func testStatusApart(t *testing.T, c *Client, ns string) {
	c.Run(t, AgentManifest, "create", "-n", ns, "-f", "-")
	c.Run(t, "", "patch", "agent", "weather", "-n", ns, "--type=merge", "-p",
		`{"status":{"conditions":[{"type":"X","status":"True","reason":"Because","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	NotContain(t, c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml"), "reason: Because")
	c.Run(t, "", "patch", "agent", "weather", "-n", ns, "--subresource=status", "--type=merge", "-p",
		`{"spec":{"description":"by status"},"status":{"conditions":[{"type":"X","status":"True","reason":"Because","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	out := c.Run(t, "", "get", "agent", "weather", "-n", ns, "-o", "yaml")
	Contain(t, out, "reason: Because", "description: first", "generation: 1")
}
