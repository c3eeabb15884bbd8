package install_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/openapi"
)

// newFieldManager returns what an API server keeps managedFields of a kind with.
func newFieldManager(t *testing.T, gvk schema.GroupVersionKind) *managedfields.FieldManager {
	t.Helper()
	schemas := map[string]*spec.Schema{}
	for name, definition := range openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef("#/components/schemas/" + name)
	}) {
		schemas[name] = &definition.Schema
	}
	for kind, gv := range kinds {
		schemas["com.mckinsey.ark."+gv.Version+"."+kind].AddExtension("x-kubernetes-group-version-kind",
			[]any{map[string]any{"group": gv.Group, "version": gv.Version, "kind": kind}})
	}
	converter, err := managedfields.NewTypeConverter(schemas, false)
	if err != nil {
		t.Fatal(err)
	}
	scheme := newScheme(t)
	manager, err := managedfields.NewDefaultFieldManager(converter, scheme, scheme, scheme, gvk, install.InternalGroupVersion, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return manager
}

// manifest returns the object that a manifest describes.
func manifest(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return obj
}

// Two managers apply a Query: what one owns the other can take only by force,
// whether the input is a text or an object.
func TestServerSideApplyOfAQuery(t *testing.T) {
	t.Parallel()
	gvk := v1alpha1.GroupVersion.WithKind("Query")
	manager := newFieldManager(t, gvk)
	head := "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Query\nmetadata: {name: q}\nspec:\n"
	var live runtime.Object = &v1alpha1.Query{}

	live, err := manager.Apply(live, manifest(t, head+"  input: hi\n  target: {type: agent, name: a}\n"), "one", false)
	if err != nil {
		t.Fatal(err)
	}
	live, err = manager.Apply(live, manifest(t, head+"  ttl: 90m\n  overrides: []\n"), "two", false)
	if err != nil {
		t.Fatal(err)
	}
	changed := manifest(t, head+"  input: {city: Paris}\n")
	if _, err = manager.Apply(live, changed, "two", false); !apierrors.IsConflict(err) {
		t.Fatalf("error = %v, want a conflict", err)
	}
	live, err = manager.Apply(live, changed, "two", true)
	if err != nil {
		t.Fatal(err)
	}
	query := live.(*v1alpha1.Query)
	if got := string(query.Spec.Input.Raw); got != `{"city":"Paris"}` {
		t.Errorf("input = %s", got)
	}
	if query.Spec.Target == nil || query.Spec.Target.Name != "a" {
		t.Errorf("the target of the first manager is gone: %+v", query.Spec.Target)
	}
	if query.Spec.TTL != "" {
		t.Errorf("what the second manager applies no more is still there: ttl = %s", query.Spec.TTL)
	}
	if len(query.ManagedFields) != 2 {
		t.Errorf("managedFields = %v, want those of two managers", query.ManagedFields)
	}
}

// Conditions are merged by their type, so that two controllers can each apply one.
func TestServerSideApplyOfConditions(t *testing.T) {
	t.Parallel()
	manager := newFieldManager(t, v1alpha1.GroupVersion.WithKind("MCPServer"))
	condition := func(name string) *unstructured.Unstructured {
		return manifest(t, `
apiVersion: ark.mckinsey.com/v1alpha1
kind: MCPServer
metadata: {name: s}
status:
  conditions:
  - {type: `+name+`, status: "True", reason: R, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}
`)
	}
	var live runtime.Object = &v1alpha1.MCPServer{}
	for _, name := range []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionDiscovering} {
		var err error
		if live, err = manager.Apply(live, condition(name), "controller-of-"+name, false); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range live.(*v1alpha1.MCPServer).Status.Conditions {
		got = append(got, c.Type+" "+string(c.Status))
	}
	if len(got) != 2 || got[0] != "Available "+string(metav1.ConditionTrue) || got[1] != "Discovering "+string(metav1.ConditionTrue) {
		t.Errorf("conditions = %v", got)
	}
}
