// Package schema holds what the CustomResourceDefinitions say of Ark's kinds, as
// the cluster's own API server enforces it: its code, not a copy of it. Whoever
// stores objects elsewhere refuses by it what the cluster would refuse, with the
// same causes.
package schema

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/gen/crd"
)

// Object is an object of one of Ark's kinds.
type Object interface {
	runtime.Object
	metav1.Object
}

// Schema is what the CustomResourceDefinition of a kind says. It may be used by
// many at once.
type Schema struct {
	gvk        schema.GroupVersionKind
	structural *structuralschema.Structural
	given      *given
	// rules says that some are written in CEL, which may compare with the old object.
	rules bool
	// What the cluster's API server does with custom resources of the kind.
	create         rest.RESTCreateStrategy
	update, status rest.RESTUpdateStrategy
	// statusAlone checks a status without the object around it.
	statusAlone validation.SchemaValidator
}

// compiled are the schemas by resource: compiling takes a while, and does not
// depend on who asks.
var compiled sync.Map // of schema.GroupResource to func() (*Schema, error)

// Of returns the schema of a resource. An error means that there is none in
// gen/crd, or that a cluster would not accept it either.
func Of(resource schema.GroupResource) (*Schema, error) {
	compile, _ := compiled.LoadOrStore(resource, sync.OnceValues(func() (*Schema, error) {
		s, err := load(resource)
		if err != nil {
			return nil, fmt.Errorf("compile the schema of %s: %w", resource, err)
		}
		return s, nil
	}))
	return compile.(func() (*Schema, error))()
}

func load(resource schema.GroupResource) (*Schema, error) {
	content, err := crd.Files.ReadFile(resource.Group + "_" + resource.Resource + ".yaml")
	if err != nil {
		return nil, err
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, definition); err != nil {
		return nil, err
	}
	return newSchema(&definition.Spec)
}

// newSchema compiles a definition that has one version, as all of Ark's have.
func newSchema(definition *apiextensionsv1.CustomResourceDefinitionSpec) (*Schema, error) {
	version := &definition.Versions[0]
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, props, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, err
	}
	whole, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	statusProps := props.Properties["status"]
	status, _, err := validation.NewSchemaValidator(&statusProps)
	if err != nil {
		return nil, err
	}
	given, err := newGiven(structural)
	if err != nil {
		return nil, err
	}
	s := &Schema{
		structural: structural, statusAlone: status,
		gvk:   schema.GroupVersionKind{Group: definition.Group, Version: version.Name, Kind: definition.Names.Kind},
		given: given,
		rules: hasRules(structural),
	}
	strategy := customresource.NewStrategy(nil, definition.Scope == apiextensionsv1.NamespaceScoped, s.gvk, whole, status, structural,
		&apiextensions.CustomResourceSubresourceStatus{}, nil, version.SelectableFields)
	s.create, s.update, s.status = strategy, strategy, customresource.NewStatusStrategy(strategy)
	return s, nil
}

// hasRules tells whether there is a rule in CEL anywhere in a schema.
func hasRules(s *structuralschema.Structural) bool {
	found := false
	visitor := structuralschema.Visitor{Structural: func(s *structuralschema.Structural) bool {
		found = found || len(s.XValidations) > 0
		return false
	}}
	visitor.Visit(s.DeepCopy())
	return found
}

// Validate checks a new object. Its defaults have to be there already.
func (s *Schema) Validate(ctx context.Context, obj Object) field.ErrorList {
	u, err := s.unstructured(obj)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return s.create.Validate(ctx, u)
}

// ValidateUpdate checks a changed object and the change. What was wrong before
// and has not changed is let pass, as in a cluster. The registry has checked by
// itself how the metadata changed.
func (s *Schema) ValidateUpdate(ctx context.Context, obj, old Object) field.ErrorList {
	return s.validateChange(ctx, s.update, obj, old, func(u *unstructured.Unstructured) bool {
		return len(s.create.Validate(ctx, u)) == 0
	})
}

// ValidateStatus checks a changed status and the change.
func (s *Schema) ValidateStatus(ctx context.Context, obj, old Object) field.ErrorList {
	return s.validateChange(ctx, s.status, obj, old, func(u *unstructured.Unstructured) bool {
		status, found := u.Object["status"]
		return (!found || len(validation.ValidateCustomResource(nil, status, s.statusAlone)) == 0) &&
			len(listtype.ValidateListSetsAndMaps(nil, s.structural, u.Object)) == 0
	})
}

// validateChange asks valid first: where no rule is about the change, what is valid
// by itself may also be what another object is changed to. That is usual, and found
// out in half the time.
func (s *Schema) validateChange(ctx context.Context, by rest.RESTUpdateStrategy, obj, old Object, valid func(*unstructured.Unstructured) bool) field.ErrorList {
	changed, err := s.unstructured(obj)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	if !s.rules && valid(changed) {
		return nil
	}
	before, err := s.unstructured(old)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return by.ValidateUpdate(ctx, changed, before)
}
