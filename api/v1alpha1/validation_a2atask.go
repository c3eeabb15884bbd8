package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateA2ATask checks an A2ATask as a user writes it.
func ValidateA2ATask(t *A2ATask) field.ErrorList {
	if t.DeletionTimestamp != nil {
		return nil
	}
	// The schema demands it of a spec, but no spec.
	errs := validateRequired(t.Spec.TaskID, specPath.Child("taskId"))
	errs = append(errs, ValidateTimeSpan(t.Spec.Timeout, specPath.Child("timeout"))...)
	errs = append(errs, validateRetention(t.Spec.TTL, specPath.Child("ttl"))...)
	return append(errs, ValidateTimeSpan(t.Spec.PollInterval, specPath.Child("pollInterval"))...)
}
