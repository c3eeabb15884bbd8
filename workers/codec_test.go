package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/managedfields"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// users' field manager, of the main resource, as the API server has it.
func usersFields(t testing.TB) *managedfields.FieldManager {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	converter, err := managedfields.NewTypeConverter(querySchemas(), false)
	if err != nil {
		t.Fatal(err)
	}
	gv := arkv1alpha1.GroupVersion
	fields, err := managedfields.NewDefaultFieldManager(converter, scheme, scheme, scheme, gv.WithKind("Query"), gv, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func applied(input string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": arkv1alpha1.GroupVersion.String(), "kind": "Query",
		"metadata": map[string]any{"name": "one", "namespace": "team"},
		"spec":     map[string]any{"input": input, "target": map[string]any{"type": "model", "name": "default"}},
	}}
}

// ownedQuery is a Query that a user has applied.
func ownedQuery(t testing.TB) *arkv1alpha1.Query {
	t.Helper()
	object, err := usersFields(t).Apply(&arkv1alpha1.Query{TypeMeta: newQuery("", "").TypeMeta}, applied("first"), "kubectl", false)
	if err != nil {
		t.Fatal(err)
	}
	return object.(*arkv1alpha1.Query)
}

// After a worker has written the status, the user who applied the Query can
// apply it again, changed, without a conflict, and the status stays.
func TestManagedFields(t *testing.T) {
	t.Parallel()
	users, q := usersFields(t), ownedQuery(t)
	c, err := newCodec(nil)
	if err != nil {
		t.Fatal(err)
	}
	q = writeStatus(t, c, q, func(q *arkv1alpha1.Query) { execution.MarkRunning(q, time.Now().Truncate(time.Second)) })
	q = writeStatus(t, c, q, func(q *arkv1alpha1.Query) { answer("yes").Apply(q, time.Now().Truncate(time.Second)) })

	var managers []string
	for _, m := range q.ManagedFields {
		managers = append(managers, fmt.Sprintf("%s/%s/%s", m.Manager, m.Operation, m.Subresource))
	}
	if got, want := fmt.Sprint(managers), "[kubectl/Apply/ ark-workers/Update/status]"; got != want {
		t.Fatalf("managers are %s, want %s", got, want)
	}
	owned := string(q.ManagedFields[1].FieldsV1.Raw)
	if !strings.Contains(owned, `k:{\"type\":\"Completed\"}`) || !strings.Contains(owned, `"f:content"`) || strings.Contains(owned, "f:spec") {
		t.Errorf("the workers own %s", owned)
	}
	object, err := users.Apply(q, applied("second"), "kubectl", false)
	if err != nil {
		t.Fatalf("apply again: %v", err)
	}
	again := object.(*arkv1alpha1.Query)
	if string(again.Spec.Input.Raw) != `"second"` || again.Status.Phase != arkv1alpha1.QueryDone {
		t.Errorf("applied again: %s, %+v", again.Spec.Input.Raw, again.Status)
	}
}

// writeStatus does what a worker's write does to the bytes.
func writeStatus(t *testing.T, c *codec, q *arkv1alpha1.Query, change func(*arkv1alpha1.Query)) *arkv1alpha1.Query {
	t.Helper()
	data, err := c.marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return changeStatus(t, c, data, change).query
}

func changeStatus(t *testing.T, c *codec, data []byte, change func(*arkv1alpha1.Query)) *stored {
	t.Helper()
	now, err := c.decode(context.Background(), "team/one", 5, data)
	if err != nil {
		t.Fatal(err)
	}
	updated := now.query.DeepCopy()
	change(updated)
	written, err := c.encode(now, updated)
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.decode(context.Background(), "team/one", 6, written)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// What this binary knows fully is written as the API server writes it, so that
// its check for changes, which compares bytes, finds none.
func TestEncodeLikeTheServer(t *testing.T) {
	t.Parallel()
	c, err := newCodec(nil)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := install.AddInternalToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	server := serializer.NewCodecFactory(scheme).LegacyCodec(arkv1alpha1.GroupVersion)
	data, err := runtime.Encode(server, newQuery("team", "one", func(q *arkv1alpha1.Query) { q.TypeMeta = metav1.TypeMeta{} }))
	if err != nil {
		t.Fatal(err)
	}
	if ours, err := c.marshal(newQuery("team", "one")); err != nil || len(ours) != len(data) {
		t.Errorf("bytes differ:\n%s\n%s\n%v", data, ours, err)
	}
	after := changeStatus(t, c, data, func(q *arkv1alpha1.Query) { answer("yes").Apply(q, time.Now()) })
	again, err := runtime.Encode(server, after.query)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(after.data) {
		t.Errorf("bytes differ:\n%s\n%s", again, after.data)
	}
}

// Fields that only a newer binary knows survive, wherever they stand.
func TestUnknownFieldsSurvive(t *testing.T) {
	t.Parallel()
	c, err := newCodec(nil)
	if err != nil {
		t.Fatal(err)
	}
	const data = `{"apiVersion":"ark.mckinsey.com/v1alpha1","kind":"Query","metadata":{"name":"one","namespace":"team","newer":[1]},` +
		`"spec":{"input":{"n":1.0,"big":123456789012345678901234567890},"newer":true},"newer":"x",` +
		`"status":{"phase":"running","newer":{"a":1},"duration":"9s","response":{"content":"old","newer":2}}}`
	after := changeStatus(t, c, []byte(data), func(q *arkv1alpha1.Query) {
		q.Status.Phase = arkv1alpha1.QueryDone
		q.Status.Duration = ""
		q.Status.Response.Content = "new"
		q.Status.TokenUsage = &arkv1alpha1.TokenUsage{TotalTokens: 7}
	})
	var got struct {
		Metadata map[string]any
		Spec     json.RawMessage
		Newer    string
		Status   map[string]any
	}
	if err := json.Unmarshal(after.data, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.Metadata["newer"]) != "[1]" || got.Newer != "x" {
		t.Errorf("newer fields are lost: %s", after.data)
	}
	if want := `{"input":{"n":1.0,"big":123456789012345678901234567890},"newer":true}`; string(got.Spec) != want {
		t.Errorf("spec is %s, want %s", got.Spec, want)
	}
	if got, want := fmt.Sprint(got.Status), "map[newer:map[a:1] phase:done response:map[content:new newer:2] tokenUsage:map[totalTokens:7]]"; got != want {
		t.Errorf("status is %s, want %s", got, want)
	}
}

func TestNoQueryInTheBody(t *testing.T) {
	t.Parallel()
	c, err := newCodec(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "{", "encrypted", `{"apiVersion":"v1","kind":"Secret"}`} {
		if _, err := c.decode(context.Background(), "team/one", 5, []byte(body)); err == nil || !strings.Contains(err.Error(), "team/one") {
			t.Errorf("decode %q: %v", body, err)
		}
	}
}

// BenchmarkEncode measures what a status write costs before it is sent.
func BenchmarkEncode(b *testing.B) {
	c, err := newCodec(nil)
	if err != nil {
		b.Fatal(err)
	}
	now := &stored{rv: 5, query: ownedQuery(b)}
	if now.data, err = c.marshal(now.query); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		updated := now.query.DeepCopy()
		answer("yes").Apply(updated, time.Now())
		if _, err := c.encode(now, updated); err != nil {
			b.Fatal(err)
		}
	}
}
