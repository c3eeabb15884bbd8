package workers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/openapi"
)

// fieldManagerName is who owns the status fields that workers write.
const fieldManagerName = "ark-workers"

const (
	schemaPrefix = "#/components/schemas/"
	gvkExtension = "x-kubernetes-group-version-kind"
)

// newFieldManager keeps metadata.managedFields of Queries for writes of their
// status, by the same schema as the API server: fields that a user applied stay
// the user's.
func newFieldManager(scheme *runtime.Scheme) (*managedfields.FieldManager, error) {
	converter, err := managedfields.NewTypeConverter(querySchemas(), false)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI definitions of Queries: %w", err)
	}
	gv := arkv1alpha1.GroupVersion
	fields, err := managedfields.NewDefaultFieldManager(converter, scheme, scheme, scheme,
		gv.WithKind("Query"), gv, "status", nil)
	if err != nil {
		return nil, fmt.Errorf("make a field manager for Queries: %w", err)
	}
	return fields, nil
}

// querySchemas returns the schema of Query, marked with its kind, and of all
// that it refers to.
func querySchemas() map[string]*spec.Schema {
	var names []string
	definitions := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef(schemaPrefix + name)
	})
	schemas := map[string]*spec.Schema{}
	query := arkv1alpha1.Query{}.OpenAPIModelName()
	for names = append(names, query); len(names) > 0; names = names[1:] {
		if _, done := schemas[names[0]]; done {
			continue
		}
		schema := definitions[names[0]].Schema
		schemas[names[0]] = &schema
		names = append(names, references(&schema)...)
	}
	gvk := arkv1alpha1.GroupVersion.WithKind("Query")
	schemas[query].AddExtension(gvkExtension, []any{map[string]any{
		"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind,
	}})
	return schemas
}

// references returns the names of the schemas that a schema refers to.
func references(s *spec.Schema) []string {
	if s == nil {
		return nil
	}
	var names []string
	if name, ok := strings.CutPrefix(s.Ref.String(), schemaPrefix); ok {
		names = append(names, name)
	}
	for _, property := range s.Properties {
		names = append(names, references(&property)...)
	}
	for i := range s.AllOf {
		names = append(names, references(&s.AllOf[i])...)
	}
	if s.Items != nil {
		names = append(names, references(s.Items.Schema)...)
	}
	if s.AdditionalProperties != nil {
		names = append(names, references(s.AdditionalProperties.Schema)...)
	}
	return names
}
