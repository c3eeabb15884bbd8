package v1alpha1

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

// Fields of a Query and of a Tool that field selectors may name beside
// metadata.name and metadata.namespace. The markers of the kinds say the same to
// CustomResourceDefinitions.
const (
	FieldQueryTargetType = "spec.target.type"
	FieldQueryTargetName = "spec.target.name"
	FieldQuerySessionID  = "spec.sessionId"
	FieldQueryPhase      = "status.phase"
	FieldToolType        = "spec.type"
)

// SelectableFields returns what a field selector may ask of obj beside its name
// and namespace. It is empty for kinds that have no such fields.
func SelectableFields(obj runtime.Object) fields.Set {
	switch o := obj.(type) {
	case *Query:
		target := QueryTarget{}
		if o.Spec.Target != nil {
			target = *o.Spec.Target
		}
		return fields.Set{
			FieldQueryTargetType: string(target.Type),
			FieldQueryTargetName: target.Name,
			FieldQuerySessionID:  o.Spec.SessionID,
			FieldQueryPhase:      string(o.Status.Phase),
		}
	case *Tool:
		return fields.Set{FieldToolType: string(o.Spec.Type)}
	}
	return fields.Set{}
}

// addFieldLabels lets field selectors name the selectable fields of each kind.
func addFieldLabels(scheme *runtime.Scheme) error {
	for kind, obj := range map[string]runtime.Object{"Query": &Query{}, "Tool": &Tool{}} {
		if err := scheme.AddFieldLabelConversionFunc(GroupVersion.WithKind(kind), SelectOnly(SelectableFields(obj))); err != nil {
			return fmt.Errorf("register the selectable fields of %s: %w", kind, err)
		}
	}
	return nil
}

// SelectOnly lets field selectors name the given fields beside name and namespace.
// Its error lists them all; Kubernetes' own knows of the last two only.
func SelectOnly(selectable fields.Set) runtime.FieldLabelConversionFunc {
	known := append([]string{"metadata.name", "metadata.namespace"}, slices.Sorted(maps.Keys(selectable))...)
	return func(label, value string) (string, string, error) {
		if slices.Contains(known, label) {
			return label, value, nil
		}
		return "", "", fmt.Errorf("%q is not a known field selector: only %q", label, known)
	}
}
