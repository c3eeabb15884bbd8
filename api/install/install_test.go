package install_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
	"mckinsey.com/ark/gen/openapi"
)

// newScheme returns the scheme of an API server: external and internal versions.
func newScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{install.AddToScheme, install.AddInternalToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// kinds are the kinds of the group and the version of each.
var kinds = map[string]schema.GroupVersion{
	"A2ATask": v1alpha1.GroupVersion, "Agent": v1alpha1.GroupVersion, "ArkConfig": v1alpha1.GroupVersion,
	"MCPServer": v1alpha1.GroupVersion, "Memory": v1alpha1.GroupVersion, "Model": v1alpha1.GroupVersion,
	"Query": v1alpha1.GroupVersion, "Team": v1alpha1.GroupVersion, "Tool": v1alpha1.GroupVersion,
	"A2AServer": v1prealpha1.GroupVersion, "ExecutionEngine": v1prealpha1.GroupVersion,
}

func TestEveryKindIsRegistered(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	for kind, gv := range kinds {
		for _, version := range []schema.GroupVersion{gv, install.InternalGroupVersion} {
			for _, name := range []string{kind, kind + "List"} {
				obj, err := scheme.New(version.WithKind(name))
				if err != nil {
					t.Errorf("%s: %v", version.WithKind(name), err)
					continue
				}
				if got := reflect.TypeOf(obj).Elem().Name(); got != name {
					t.Errorf("%s is a %s", version.WithKind(name), got)
				}
			}
		}
	}
}

// A client's scheme must name one kind a type, or clients cannot tell which.
func TestClientsSchemeIsUnambiguous(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, obj := range append(v1alpha1.Types(), v1prealpha1.Types()...) {
		gvks, _, err := scheme.ObjectKinds(obj)
		if err != nil || len(gvks) != 1 {
			t.Errorf("%T is %v, %v", obj, gvks, err)
		}
	}
	if diff := cmp.Diff([]schema.GroupVersion{v1alpha1.GroupVersion, v1prealpha1.GroupVersion}, scheme.PrioritizedVersionsForGroup(v1alpha1.GroupName)); diff != "" {
		t.Errorf("order of versions (-want +got):\n%s", diff)
	}
}

func TestConversionIsACopy(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	query := &v1alpha1.Query{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Query"},
		ObjectMeta: metav1.ObjectMeta{Name: "q", Labels: map[string]string{"a": "b"}},
		Spec:       v1alpha1.QuerySpec{Input: apiextensionsv1.JSON{Raw: []byte(`"hi"`)}, Timeout: "5m"},
	}
	internal, err := scheme.ConvertToVersion(query, install.InternalGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	want := query.DeepCopy()
	want.TypeMeta = metav1.TypeMeta{}
	if diff := cmp.Diff(runtime.Object(want), internal); diff != "" {
		t.Errorf("to internal (-want +got):\n%s", diff)
	}
	internal.(*v1alpha1.Query).Labels["a"] = "changed"
	if query.Labels["a"] != "b" {
		t.Error("the internal object shares memory with the external one")
	}
	back, err := scheme.ConvertToVersion(want, v1alpha1.GroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(runtime.Object(query), back); diff != "" {
		t.Errorf("back to external (-want +got):\n%s", diff)
	}
}

func TestCodecDefaultsAndKeepsTexts(t *testing.T) {
	t.Parallel()
	codecs := serializer.NewCodecFactory(newScheme(t))
	codec := codecs.LegacyCodec(v1alpha1.GroupVersion)
	in := `{"apiVersion":"ark.mckinsey.com/v1alpha1","kind":"Query","metadata":{"name":"q"},"spec":{"input":{"b":[1,null],"a":"<x>"},"ttl":"90m"}}`
	obj, err := runtime.Decode(codec, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	out, err := runtime.Encode(codec, obj)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"input": map[string]any{"b": []any{1.0, nil}, "a": "<x>"}, "ttl": "90m", "timeout": "5m", "type": "user"}
	if diff := cmp.Diff(want, got["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if _, present := got["status"]; present {
		t.Errorf("an empty status was written: %s", out)
	}
}

func TestFieldLabels(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	tests := []struct {
		kind, label string
		ok          bool
	}{
		{"Query", "metadata.name", true}, {"Query", "spec.target.name", true}, {"Query", "spec.target.type", true},
		{"Query", "spec.sessionId", true}, {"Query", "status.phase", true}, {"Query", "spec.type", false},
		{"Tool", "spec.type", true}, {"Tool", "status.phase", false},
		{"Agent", "metadata.namespace", true}, {"Agent", "spec.type", false},
	}
	for _, tt := range tests {
		_, _, err := scheme.ConvertFieldLabel(v1alpha1.GroupVersion.WithKind(tt.kind), tt.label, "x")
		if (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.kind, tt.label, err)
		}
	}
	query := &v1alpha1.Query{
		Spec:   v1alpha1.QuerySpec{SessionID: "s", Target: &v1alpha1.QueryTarget{Type: "agent", Name: "a"}},
		Status: v1alpha1.QueryStatus{Phase: v1alpha1.QueryDone},
	}
	want := map[string]string{"spec.target.type": "agent", "spec.target.name": "a", "spec.sessionId": "s", "status.phase": "done"}
	if diff := cmp.Diff(want, map[string]string(v1alpha1.SelectableFields(query))); diff != "" {
		t.Errorf("fields of a Query (-want +got):\n%s", diff)
	}
	if got := v1alpha1.SelectableFields(&v1alpha1.Tool{Spec: v1alpha1.ToolSpec{Type: "http"}}).Get("spec.type"); got != "http" {
		t.Errorf("spec.type of a Tool = %q", got)
	}
}

// Every definition that another one refers to must be there, and every field of
// our kinds must be explained.
func TestOpenAPIDefinitions(t *testing.T) {
	t.Parallel()
	referred := map[string]string{}
	definitions := map[string]common.OpenAPIDefinition{}
	for name, definition := range openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef("#/" + name)
	}) {
		definitions[name] = definition
		for _, dependency := range definition.Dependencies {
			referred[dependency] = name
		}
	}
	for name, by := range referred {
		if _, present := definitions[name]; !present {
			t.Errorf("%s refers to %s, which is not defined", by, name)
		}
	}
	for kind, gv := range kinds {
		name := "com.mckinsey.ark." + gv.Version + "." + kind
		definition, present := definitions[name]
		if !present {
			t.Errorf("%s is not defined", name)
			continue
		}
		if definition.Schema.Description == "" {
			t.Errorf("%s is not explained", name)
		}
		for _, part := range []string{"Spec", "Status"} {
			for property, schema := range definitions[name+part].Schema.Properties {
				if schema.Description == "" {
					t.Errorf("%s%s.%s is not explained", name, part, property)
				}
			}
		}
	}
}
