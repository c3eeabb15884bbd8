package server_test

import (
	"sort"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/gen/crd"
)

// reference is what a cluster makes of custom resources of a kind.
type reference struct {
	gvk            schema.GroupVersionKind
	structural     *structuralschema.Structural
	create         rest.RESTCreateStrategy
	update, status rest.RESTUpdateStrategy
}

func newReference(t *testing.T, resource string) *reference {
	t.Helper()
	definition := &apiextensionsv1.CustomResourceDefinition{}
	content := must(crd.Files.ReadFile("ark.mckinsey.com_" + resource + ".yaml"))(t)
	if err := yaml.UnmarshalStrict(content, definition); err != nil {
		t.Fatal(err)
	}
	version := definition.Spec.Versions[0]
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, props, nil); err != nil {
		t.Fatal(err)
	}
	r := &reference{
		gvk:        schema.GroupVersionKind{Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind},
		structural: must(structuralschema.NewStructural(props))(t),
	}
	whole, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		t.Fatal(err)
	}
	statusProps := props.Properties["status"]
	status, _, err := validation.NewSchemaValidator(&statusProps)
	if err != nil {
		t.Fatal(err)
	}
	strategy := customresource.NewStrategy(nil, definition.Spec.Scope == apiextensionsv1.NamespaceScoped, r.gvk, whole, status, r.structural,
		&apiextensions.CustomResourceSubresourceStatus{}, nil, nil)
	r.create, r.update, r.status = strategy, strategy, customresource.NewStatusStrategy(strategy)
	return r
}

// read is what a cluster reads from a document.
func (r *reference) read(document *unstructured.Unstructured) *unstructured.Unstructured {
	u := document.DeepCopy()
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, r.structural)
	defaulting.Default(u.Object, r.structural)
	return u
}

// causes of errors, as "type field", sorted; each once.
func causes(errs field.ErrorList) []string {
	return causesOf(apierrors.NewInvalid(schema.GroupKind{}, "", errs).ErrStatus.Details)
}

func causesOf(details *metav1.StatusDetails) []string {
	found := map[string]bool{}
	for _, c := range details.Causes {
		found[string(c.Type)+" "+c.Field] = true
	}
	all := make([]string, 0, len(found))
	for c := range found {
		all = append(all, c)
	}
	sort.Strings(all)
	return all
}
