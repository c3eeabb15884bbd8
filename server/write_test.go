package server_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const agentManifest = `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: weather, labels: {team: blue}}
spec:
  description: first
  prompt: You know the weather.
  tools: [{type: http, name: get-weather}]
`

// queryManifest asks the agent of agentManifest, and is held: nothing executes it.
const queryManifest = `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Query
metadata: {name: asked, annotations: {ark.mckinsey.com/hold: "true"}}
spec: {input: "What?", target: {type: agent, name: weather}}
`

func testStatus(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t))
	o := object(t, agentManifest)
	o.Object["status"] = map[string]any{"conditions": []any{condition("Born")}}
	created := must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	if at(t, created, "status.conditions") != nil {
		t.Error("an object was created with a status")
	}
	both := []byte(`{"metadata":{"labels":{"by":"patch"}},"spec":{"description":"second"},"status":{"conditions":[` +
		`{"type":"X","status":"True","reason":"Y","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	main := must(client.Patch(t.Context(), "weather", types.MergePatchType, both, metav1.PatchOptions{}))(t)
	if at(t, main, "status.conditions") != nil || at(t, main, "spec.description") != "second" || main.GetGeneration() != 2 {
		t.Errorf("after a write of the object: %v", main.Object)
	}
	both = []byte(strings.ReplaceAll(string(both), "second", "third"))
	both = []byte(strings.ReplaceAll(string(both), `"by":"patch"`, `"by":"status"`))
	status := must(client.Patch(t.Context(), "weather", types.MergePatchType, both, metav1.PatchOptions{}, "status"))(t)
	if at(t, status, "status.conditions") == nil || at(t, status, "spec.description") != "second" ||
		status.GetGeneration() != 2 || status.GetLabels()["by"] != "patch" {
		t.Errorf("after a write of the status: %v", status.Object)
	}
	bad := []byte(`{"status":{"conditions":[{"type":"X","status":"Perhaps","reason":"Y","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	_, err := client.Patch(t.Context(), "weather", types.MergePatchType, bad, metav1.PatchOptions{}, "status")
	contains(t, err, "status.conditions[0].status", "Perhaps")
}

func condition(name string) map[string]any {
	return map[string]any{"type": name, "status": "True", "reason": "Y", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
}

func testGeneration(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("tools")).Namespace(f.inNamespace(t))
	o := object(t, `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Tool
metadata: {name: t}
spec: {type: http, http: {url: "https://example.com"}, inputSchema: {type: object, properties: {b: {type: string}, a: {type: number}}}}
`)
	o.SetGeneration(7)
	created := must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	if created.GetGeneration() != 1 {
		t.Errorf("the first generation is %d", created.GetGeneration())
	}
	again := `{"spec":{"inputSchema":{"properties":{"a":{"type":"number"},"b":{"type":"string"}},"type":"object"}}}`
	same := must(client.Patch(t.Context(), "t", types.MergePatchType, []byte(again), metav1.PatchOptions{}))(t)
	if same.GetGeneration() != 1 || same.GetResourceVersion() != created.GetResourceVersion() {
		t.Errorf("the same schema in another order is generation %d, version %s after %s", same.GetGeneration(), same.GetResourceVersion(), created.GetResourceVersion())
	}
	changed := must(client.Patch(t.Context(), "t", types.MergePatchType, []byte(`{"metadata":{"generation":9},"spec":{"description":"d"}}`), metav1.PatchOptions{}))(t)
	if changed.GetGeneration() != 2 {
		t.Errorf("the second generation is %d", changed.GetGeneration())
	}
}

func testInvalid(t *testing.T, f *fixture) {
	ns := f.inNamespace(t)
	for name, c := range map[string]struct {
		resource, manifest string
		wants              []string
	}{
		"enum":        {"agents", strings.Replace(agentManifest, "type: http", "type: pigeon", 1), []string{"spec.tools[0].type", "Unsupported value", "pigeon"}},
		"name":        {"agents", strings.Replace(agentManifest, "name: weather,", "name: Not_A_Name,", 1), []string{"metadata.name", "Not_A_Name"}},
		"required":    {"queries", "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Query\nmetadata: {name: q}\nspec: {input: x}", []string{"spec.target", "Required"}},
		"target type": {"queries", strings.Replace(queryManifest, "type: agent", "type: oracle", 1), []string{"spec.target.type", "oracle"}},
		"type":        {"agents", strings.Replace(agentManifest, "description: first", "description: [1]", 1), []string{"description"}},
		"kind":        {"agents", strings.Replace(agentManifest, "kind: Agent", "kind: Model", 1), []string{"Model"}},
	} {
		_, err := f.dynamic.Resource(ark(c.resource)).Namespace(ns).Create(t.Context(), object(t, c.manifest), metav1.CreateOptions{})
		if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		contains(t, err, c.wants...)
	}
	if _, err := f.dynamic.Resource(ark("arkconfigs")).Create(t.Context(),
		object(t, "apiVersion: ark.mckinsey.com/v1alpha1\nkind: ArkConfig\nmetadata: {name: other}\nspec: {}"), metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a second ArkConfig: %v", err)
	}
}

func testFieldValidation(t *testing.T, f *fixture) {
	ns := f.inNamespace(t)
	manifest := strings.Replace(agentManifest, "  prompt:", "  colour: blue\n  prompt:", 1)
	_, err := f.dynamic.Resource(ark("agents")).Namespace(ns).Create(t.Context(), object(t, manifest), metav1.CreateOptions{FieldValidation: "Strict"})
	contains(t, err, `unknown field "spec.colour"`)
	for _, mode := range []string{"Warn", "Ignore"} {
		o := object(t, manifest)
		o.SetName(strings.ToLower(mode))
		client, warnings := f.recordWarnings(t)
		created := must(client.Resource(ark("agents")).Namespace(ns).Create(t.Context(), o, metav1.CreateOptions{FieldValidation: mode}))(t)
		if at(t, created, "spec.colour") != nil {
			t.Errorf("%s: the unknown field was stored", mode)
		}
		if said := strings.Join(warnings(), "\n"); strings.Contains(said, `unknown field "spec.colour"`) != (mode == "Warn") {
			t.Errorf("%s: the warnings are %q", mode, said)
		}
	}
}

func testPatches(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t))
	must(client.Create(t.Context(), object(t, agentManifest), metav1.CreateOptions{}))(t)
	for _, c := range []struct {
		kind types.PatchType
		body string
		want string
	}{
		{types.MergePatchType, `{"spec":{"description":"merged"}}`, "merged"},
		{types.JSONPatchType, `[{"op":"test","path":"/spec/description","value":"merged"},{"op":"replace","path":"/spec/description","value":"replaced"}]`, "replaced"},
		{types.StrategicMergePatchType, `{"spec":{"description":"strategic"}}`, "strategic"},
	} {
		patched := must(client.Patch(t.Context(), "weather", c.kind, []byte(c.body), metav1.PatchOptions{}))(t)
		if got := at(t, patched, "spec.description"); got != c.want {
			t.Errorf("%s: the description is %v", c.kind, got)
		}
	}
	_, err := client.Patch(t.Context(), "weather", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/description","value":"other"}]`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) {
		t.Errorf("a failed test of a JSON patch: %v", err)
	}
}

func testApply(t *testing.T, f *fixture) {
	ns := f.inNamespace(t)
	client := f.dynamic.Resource(ark("agents")).Namespace(ns)
	apply := func(manager, manifest string, force bool) error {
		o := object(t, manifest)
		_, err := client.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: force})
		return err
	}
	changed := strings.Replace(agentManifest, "description: first", "description: second", 1)
	if err := apply("one", agentManifest, false); err != nil {
		t.Fatal(err)
	}
	err := apply("two", changed, false)
	if !apierrors.IsConflict(err) {
		t.Fatalf("another manager's field was taken: %v", err)
	}
	contains(t, err, `"one"`, ".spec.description")
	if err := apply("two", changed, true); err != nil {
		t.Fatal(err)
	}
	after := must(client.Get(t.Context(), "weather", metav1.GetOptions{}))(t)
	managers := map[string]string{}
	for _, m := range after.GetManagedFields() {
		managers[m.Manager] = string(m.FieldsV1.Raw)
	}
	if strings.Contains(managers["one"], "f:description") || !strings.Contains(managers["two"], "f:description") ||
		!strings.Contains(managers["one"], "f:prompt") {
		t.Errorf("the managers are %v", managers)
	}
	// A status that is applied along with the object belongs to nobody.
	withStatus := object(t, agentManifest)
	withStatus.Object["status"] = map[string]any{"conditions": []any{condition("X")}}
	must(client.Apply(t.Context(), "weather", withStatus, metav1.ApplyOptions{FieldManager: "three", Force: true}))(t)
	for _, m := range must(client.Get(t.Context(), "weather", metav1.GetOptions{}))(t).GetManagedFields() {
		if strings.Contains(string(m.FieldsV1.Raw), "f:status") {
			t.Errorf("%s manages a status: %s", m.Manager, m.FieldsV1.Raw)
		}
	}
	query := object(t, queryManifest)
	must(f.dynamic.Resource(ark("queries")).Namespace(ns).Apply(t.Context(), "asked", query, metav1.ApplyOptions{FieldManager: "one"}))(t)
	query.Object["spec"].(map[string]any)["input"] = map[string]any{"text": "an object"}
	applied := must(f.dynamic.Resource(ark("queries")).Namespace(ns).Apply(t.Context(), "asked", query, metav1.ApplyOptions{FieldManager: "one"}))(t)
	if at(t, applied, "spec.input.text") != "an object" || applied.GetGeneration() != 2 {
		t.Errorf("the applied query is %v", applied.Object)
	}
}

func testDryRun(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t))
	all := []string{metav1.DryRunAll}
	must(client.Create(t.Context(), object(t, agentManifest), metav1.CreateOptions{DryRun: all}))(t)
	if _, err := client.Get(t.Context(), "weather", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("a dry run created an object: %v", err)
	}
	before := must(client.Create(t.Context(), object(t, agentManifest), metav1.CreateOptions{}))(t)
	changed := must(client.Patch(t.Context(), "weather", types.MergePatchType, []byte(`{"spec":{"description":"dry"}}`), metav1.PatchOptions{DryRun: all}))(t)
	if at(t, changed, "spec.description") != "dry" {
		t.Errorf("the dry run did not answer with the change: %v", changed.Object)
	}
	if err := client.Delete(t.Context(), "weather", metav1.DeleteOptions{DryRun: all}); err != nil {
		t.Error(err)
	}
	if err := client.DeleteCollection(t.Context(), metav1.DeleteOptions{DryRun: all}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	after := must(client.Get(t.Context(), "weather", metav1.GetOptions{}))(t)
	if after.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("dry runs moved the version from %s to %s", before.GetResourceVersion(), after.GetResourceVersion())
	}
}

func testDeleteCollection(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t))
	for _, name := range []string{"a", "b", "c"} {
		o := object(t, agentManifest)
		o.SetName(name)
		if name == "c" {
			o.SetLabels(map[string]string{"team": "red"})
		}
		must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	}
	if err := client.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "team=blue"}); err != nil {
		t.Fatal(err)
	}
	left := must(client.List(t.Context(), metav1.ListOptions{}))(t)
	if len(left.Items) != 1 || left.Items[0].GetName() != "c" {
		t.Errorf("%d are left", len(left.Items))
	}
}

func testFinalizers(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t))
	o := object(t, agentManifest)
	o.SetFinalizers([]string{"example.com/wait"})
	must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	orphan := metav1.DeletePropagationOrphan
	if err := client.Delete(t.Context(), "weather", metav1.DeleteOptions{PropagationPolicy: &orphan}); err != nil {
		t.Fatal(err)
	}
	held := must(client.Get(t.Context(), "weather", metav1.GetOptions{}))(t)
	if held.GetDeletionTimestamp() == nil || len(held.GetFinalizers()) != 1 {
		t.Errorf("while it is held: %v", held.Object["metadata"])
	}
	must(client.Patch(t.Context(), "weather", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}))(t)
	if _, err := client.Get(t.Context(), "weather", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its last finalizer: %v", err)
	}
}
