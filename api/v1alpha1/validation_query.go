package v1alpha1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateQuery checks a Query as a user writes it. Whether its target exists has
// to be asked elsewhere.
func ValidateQuery(q *Query) field.ErrorList {
	if q.DeletionTimestamp != nil {
		return nil
	}
	spec := &q.Spec
	var errs field.ErrorList
	if spec.Target == nil && spec.Selector == nil {
		errs = append(errs, field.Required(specPath.Child("target"), "target or selector is needed"))
	}
	errs = append(errs, validateSelector(spec.Selector, specPath.Child("selector"))...)
	errs = append(errs, validateParameters(spec.Parameters, specPath.Child("parameters"))...)
	errs = append(errs, validateOverrides(spec.Overrides, specPath.Child("overrides"))...)
	errs = append(errs, validateRetention(spec.TTL, specPath.Child("ttl"))...)
	return append(errs, ValidateTimeSpan(spec.Timeout, specPath.Child("timeout"))...)
}

// ValidateQueryStatusUpdate checks a new status of a Query against the one before.
// A Query that has ended stays as it ended: any other phase would have it executed
// again. Who wants a new answer creates a new Query.
func ValidateQueryStatusUpdate(q, old *Query) field.ErrorList {
	before := old.Status.Phase
	if !before.IsTerminal() || q.Status.Phase == before {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("status", "phase"),
		fmt.Sprintf("the Query has ended as %s: create a new one to ask again", before))}
}
