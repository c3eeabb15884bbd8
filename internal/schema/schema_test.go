package schema_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/schema"
)

func of(t testing.TB, resource string) *schema.Schema {
	t.Helper()
	s, err := schema.Of(v1alpha1.Resource(resource))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read decodes an object as a server does, but for its defaults.
func read[T any](t testing.TB, document string) *T {
	t.Helper()
	obj := new(T)
	if err := json.Unmarshal([]byte(document), obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func fields(errs field.ErrorList) []string {
	all := []string{}
	for _, err := range errs {
		all = append(all, string(err.Type)+" "+err.Field)
	}
	return all
}

func TestUnknownResource(t *testing.T) {
	t.Parallel()
	if _, err := schema.Of(v1alpha1.Resource("sheep")); err == nil {
		t.Error("there is a schema of sheep")
	}
}

const meta = `"metadata": {"name": "x", "namespace": "default", "resourceVersion": "1", "uid": "u"}`

// Zero values that the Go type writes count as missing only where they must.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	s := of(t, "queries")
	for name, tt := range map[string]struct {
		spec string
		want []string
	}{
		"nothing":            {`{}`, []string{"FieldValueRequired spec.input"}},
		"null":               {`{"input": null}`, []string{"FieldValueRequired spec.input"}},
		"an empty text":      {`{"input": ""}`, nil},
		"false":              {`{"input": false}`, nil},
		"any JSON":           {`{"input": {"a": [1, null, {"b": ""}]}}`, nil},
		"a target's name":    {`{"input": "?", "target": {"type": "agent"}}`, []string{"FieldValueRequired spec.target.name"}},
		"all of a target":    {`{"input": "?", "target": {}}`, []string{"FieldValueRequired spec.target.name", "FieldValueRequired spec.target.type"}},
		"headers":            {`{"input": "?", "overrides": [{"resourceType": "model"}]}`, []string{"FieldValueRequired spec.overrides[0].headers"}},
		"no headers":         {`{"input": "?", "overrides": [{"resourceType": "model", "headers": []}]}`, nil},
		"the key":            {`{"input": "?", "parameters": [{"name": "p", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}`, []string{"FieldValueRequired spec.parameters[0].valueFrom.secretKeyRef.key"}},
		"a selector of all":  {`{"input": "?", "selector": {}}`, nil},
		"a header's value":   {`{"input": "?", "overrides": [{"resourceType": "model", "headers": [{"name": "h"}]}]}`, []string{"FieldValueRequired spec.overrides[0].headers[0].value"}},
		"a wrong enum value": {`{"input": "?", "type": "messages"}`, []string{"FieldValueNotSupported spec.type"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := read[v1alpha1.Query](t, `{`+meta+`, "spec": `+tt.spec+`}`)
			if diff := cmp.Diff(append([]string{}, tt.want...), fields(s.Validate(t.Context(), q))); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// A condition may have an empty message, as those of controllers often do.
func TestEmptyMessage(t *testing.T) {
	t.Parallel()
	s := of(t, "agents")
	agent := read[v1alpha1.Agent](t, `{`+meta+`, "status": {"conditions": [{"type": "Available", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}`)
	if errs := s.ValidateStatus(t.Context(), agent, &v1alpha1.Agent{}); len(errs) > 0 {
		t.Error(errs)
	}
}

// What was stored before the schema forbade it may stay, and the object may be
// changed elsewhere: labelled, or freed of a finalizer while it is deleted.
func TestOldMistakesMayStay(t *testing.T) {
	t.Parallel()
	s := of(t, "agents")
	old := read[v1alpha1.Agent](t, `{`+meta+`, "spec": {"tools": [{"type": "grpc", "name": "t"}]}}`)
	labelled := old.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	if errs := s.ValidateUpdate(t.Context(), labelled, old); len(errs) > 0 {
		t.Errorf("a label is refused: %v", errs)
	}
	worse := old.DeepCopy()
	worse.Spec.Tools[0].Type = "smtp"
	if diff := cmp.Diff([]string{"FieldValueNotSupported spec.tools[0].type"}, fields(s.ValidateUpdate(t.Context(), worse, old))); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if errs := s.ValidateStatus(t.Context(), labelled, old); len(errs) > 0 {
		t.Errorf("a status is refused for the spec: %v", errs)
	}
}

// Validating reads objects and changes nothing in them: others may hold them too.
func TestObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := of(t, "queries")
	old := read[v1alpha1.Query](t, usualQuery)
	changed := old.DeepCopy()
	changed.Spec.Target.Type = "sheep"
	for name, validate := range map[string]func(context.Context, schema.Object, schema.Object) field.ErrorList{
		"create": func(ctx context.Context, obj, _ schema.Object) field.ErrorList { return s.Validate(ctx, obj) },
		"update": s.ValidateUpdate,
		"status": s.ValidateStatus,
	} {
		before, oldBefore := changed.DeepCopy(), old.DeepCopy()
		if errs := validate(t.Context(), changed, old); len(errs) == 0 && name != "status" {
			t.Errorf("%s: sheep may answer", name)
		}
		if diff := cmp.Diff(before, changed) + cmp.Diff(oldBefore, old); diff != "" {
			t.Errorf("%s changed the objects:\n%s", name, diff)
		}
	}
}
