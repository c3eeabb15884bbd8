package v1prealpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/api/v1alpha1"
)

var specPath = field.NewPath("spec")

// ValidateA2AServer checks an A2AServer as a user writes it.
func ValidateA2AServer(s *A2AServer) field.ErrorList {
	if s.DeletionTimestamp != nil {
		return nil
	}
	errs := v1alpha1.ValidateValueSource(s.Spec.Address.Current(), specPath.Child("address"))
	errs = append(errs, v1alpha1.ValidateHeaders(s.Spec.Headers, specPath.Child("headers"))...)
	errs = append(errs, v1alpha1.ValidateTimeSpan(s.Spec.PollInterval, specPath.Child("pollInterval"))...)
	return append(errs, v1alpha1.ValidateTimeSpan(s.Spec.Timeout, specPath.Child("timeout"))...)
}

// ValidateExecutionEngine checks an ExecutionEngine as a user writes it.
func ValidateExecutionEngine(e *ExecutionEngine) field.ErrorList {
	if e.DeletionTimestamp != nil {
		return nil
	}
	var errs field.ErrorList
	if e.Name == v1alpha1.EngineA2A {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), e.Name, "is reserved for Agents on an A2AServer"))
	}
	return append(errs, v1alpha1.ValidateValueSource(e.Spec.Address.Current(), specPath.Child("address"))...)
}
