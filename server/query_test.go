package server_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// queued counts the entries of a namespace in the queue.
func (f *fixture) queued(t *testing.T, ns string) int {
	t.Helper()
	var n int
	if err := f.pool.QueryRow(t.Context(), "SELECT count(*) FROM ark.queue WHERE namespace = $1", ns).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// withAgent makes a namespace that has the agent which queryManifest asks.
func (f *fixture) withAgent(t testing.TB) string {
	t.Helper()
	ns := f.inNamespace(t)
	must(f.dynamic.Resource(ark("agents")).Namespace(ns).Create(t.Context(), object(t, agentManifest), metav1.CreateOptions{}))(t)
	return ns
}

// completed is the reason of a Query's condition Completed, which must be False.
func completed(t *testing.T, q *unstructured.Unstructured) string {
	t.Helper()
	conditions, _, err := unstructured.NestedSlice(q.Object, "status", "conditions")
	if err != nil || len(conditions) != 1 {
		t.Fatalf("the conditions are %v: %v", conditions, err)
	}
	c := conditions[0].(map[string]any)
	if c["type"] != "Completed" || c["status"] != "False" || c["lastTransitionTime"] == nil {
		t.Errorf("the condition is %v", c)
	}
	return c["reason"].(string)
}

func testQueryBirth(t *testing.T, f *fixture) {
	ns := f.withAgent(t)
	client, warnings := f.recordWarnings(t)
	o := object(t, strings.Replace(queryManifest, "hold", "other", 1))
	o.Object["status"] = map[string]any{"phase": "done", "response": map[string]any{"content": "from before"}}
	o.SetFinalizers([]string{"ark.mckinsey.com/finalizer"})
	q := must(client.Resource(ark("queries")).Namespace(ns).Create(t.Context(), o, metav1.CreateOptions{}))(t)
	if at(t, q, "status.phase") != "queued" || at(t, q, "status.response") != nil || len(q.GetFinalizers()) != 0 {
		t.Errorf("it was born as %v", q.Object)
	}
	if reason := completed(t, q); reason != "QueryQueued" {
		t.Errorf("the reason is %s", reason)
	}
	if said := strings.Join(warnings(), "\n"); !strings.Contains(said, "executed anew") {
		t.Errorf("the warnings are %q", said)
	}
	if n := f.queued(t, ns); n != 1 {
		t.Errorf("%d entries in the queue", n)
	}
	done := `{"status":{"phase":"done","response":{"content":"42"}}}`
	must(client.Resource(ark("queries")).Namespace(ns).Patch(t.Context(), "asked", types.MergePatchType, []byte(done), metav1.PatchOptions{}, "status"))(t)
	if n := f.queued(t, ns); n != 0 {
		t.Errorf("%d entries in the queue after its end", n)
	}
	for _, phase := range []string{`"queued"`, `"error"`, "null"} {
		_, err := client.Resource(ark("queries")).Namespace(ns).Patch(t.Context(), "asked", types.MergePatchType, []byte(`{"status":{"phase":`+phase+`}}`), metav1.PatchOptions{}, "status")
		if !apierrors.IsInvalid(err) {
			t.Errorf("done, then %s: %v", phase, err)
		}
		contains(t, err, "status.phase", "Forbidden", "done")
	}
	amended := `{"status":{"response":{"content":"43"}}}`
	must(client.Resource(ark("queries")).Namespace(ns).Patch(t.Context(), "asked", types.MergePatchType, []byte(amended), metav1.PatchOptions{}, "status"))(t)
	// A dry run leaves the queue alone too.
	o.SetName("dry")
	must(client.Resource(ark("queries")).Namespace(ns).Create(t.Context(), o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}))(t)
	if n := f.queued(t, ns); n != 0 {
		t.Errorf("%d entries in the queue after a dry run", n)
	}
}

func testQueryHold(t *testing.T, f *fixture) {
	ns := f.withAgent(t)
	client := f.dynamic.Resource(ark("queries")).Namespace(ns)
	q := must(client.Create(t.Context(), object(t, queryManifest), metav1.CreateOptions{}))(t)
	for _, step := range []struct {
		hold, phase, reason string
		queued              int
	}{
		{"", "pending", "QueryNotStarted", 0},
		{"null", "queued", "QueryQueued", 1},
		{`"true"`, "pending", "QueryNotStarted", 0},
	} {
		if step.hold != "" {
			patch := `{"metadata":{"annotations":{"ark.mckinsey.com/hold":` + step.hold + `}}}`
			q = must(client.Patch(t.Context(), "asked", types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
		}
		if phase, reason, n := at(t, q, "status.phase"), completed(t, q), f.queued(t, ns); phase != step.phase || reason != step.reason || n != step.queued {
			t.Errorf("hold %s: phase %s, reason %s, %d in the queue", step.hold, phase, reason, n)
		}
	}
	if err := client.Delete(t.Context(), "asked", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

func testQueryTarget(t *testing.T, f *fixture) {
	ns := f.withAgent(t)
	client := f.dynamic.Resource(ark("queries")).Namespace(ns)
	create := func(name, manifest string) error {
		o := object(t, manifest)
		o.SetName(name)
		_, err := client.Create(t.Context(), o, metav1.CreateOptions{})
		return err
	}
	if err := create("good", queryManifest); err != nil {
		t.Error(err)
	}
	err := create("bad", strings.Replace(queryManifest, "name: weather", "name: nobody", 1))
	if !apierrors.IsInvalid(err) {
		t.Errorf("a target that is not there: %v", err)
	}
	contains(t, err, "spec.target.name", "Not found", "nobody")
	err = create("other", strings.Replace(queryManifest, "type: agent", "type: team", 1))
	contains(t, err, "spec.target.name", "team")
	// The target may go once the Query is there: it can still be labelled.
	if err := f.dynamic.Resource(ark("agents")).Namespace(ns).Delete(t.Context(), "weather", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	must(client.Patch(t.Context(), "good", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}))(t)
	_, err = client.Patch(t.Context(), "good", types.MergePatchType, []byte(`{"spec":{"target":{"name":"other"}}}`), metav1.PatchOptions{})
	contains(t, err, "spec.target.name", "other")
}

func testQueryTTL(t *testing.T, f *fixture) {
	client := f.dynamic.Resource(ark("queries")).Namespace(f.withAgent(t))
	o := object(t, queryManifest)
	must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	o.SetName("short")
	o.Object["spec"].(map[string]any)["ttl"] = "10m"
	q := must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
	if ttl := at(t, q, "spec.ttl"); ttl != "10m" {
		t.Errorf("the ttl is %v", ttl)
	}
}

func testMigrations(t *testing.T, f *fixture) {
	client, warnings := f.recordWarnings(t)
	ns := f.inNamespace(t)
	model := must(client.Resource(ark("models")).Namespace(ns).Create(t.Context(), object(t, `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Model
metadata: {name: m}
spec: {type: openai, model: {value: gpt}, config: {openai: {baseUrl: {value: "https://example.com"}, apiKey: {value: k}}}}
`), metav1.CreateOptions{}))(t)
	if at(t, model, "spec.provider") != "openai" || at(t, model, "spec.type") != "completions" {
		t.Errorf("it became %v", model.Object["spec"])
	}
	if said := warnings(); len(said) != 1 || !strings.Contains(said[0], "spec.type") {
		t.Errorf("the warnings are %q", said)
	}
	query := must(client.Resource(ark("queries")).Namespace(ns).Create(t.Context(), object(t, `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Query
metadata: {name: q}
spec: {type: messages, input: [{role: system, content: s}, {role: user, content: Hello}], target: {type: model, name: m}}
`), metav1.CreateOptions{}))(t)
	if at(t, query, "spec.type") != "user" || at(t, query, "spec.input") != "Hello" {
		t.Errorf("it became %v", query.Object["spec"])
	}
}
