package v1alpha1

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateQuery checks a Query as a user writes it. Whether its target exists has
// to be asked elsewhere.
func ValidateQuery(q *Query) field.ErrorList {
	errs, ok := validateMeta(q, true)
	if !ok {
		return nil
	}
	spec := &q.Spec
	errs = append(errs, validateOptionalEnum(spec.Type, specPath.Child("type"), QueryTypeUser)...)
	if raw := bytes.TrimSpace(spec.Input.Raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		errs = append(errs, field.Required(specPath.Child("input"), ""))
	}
	if spec.Target == nil && spec.Selector == nil {
		errs = append(errs, field.Required(specPath.Child("target"), "target or selector is needed"))
	}
	errs = append(errs, validateTarget(spec.Target, specPath.Child("target"))...)
	errs = append(errs, validateSelector(spec.Selector, specPath.Child("selector"))...)
	if spec.Memory != nil {
		errs = append(errs, validateRequired(spec.Memory.Name, specPath.Child("memory", "name"))...)
	}
	errs = append(errs, validateParameters(spec.Parameters, specPath.Child("parameters"))...)
	errs = append(errs, validateOverrides(spec.Overrides, specPath.Child("overrides"))...)
	errs = append(errs, validateRetention(spec.TTL, specPath.Child("ttl"))...)
	return append(errs, ValidateTimeSpan(spec.Timeout, specPath.Child("timeout"))...)
}

// ValidateQueryStatus checks the status of a Query.
func ValidateQueryStatus(q *Query) field.ErrorList {
	path := field.NewPath("status")
	errs := validateOptionalEnum(q.Status.Phase, path.Child("phase"), QueryPending, QueryProvisioning, QueryQueued,
		QueryRunning, QueryInputRequired, QueryError, QueryDone, QueryCanceled)
	if q.Status.Response != nil {
		errs = append(errs, validateTarget(q.Status.Response.Target, path.Child("response", "target"))...)
	}
	return append(errs, ValidateConditions(q.Status.Conditions)...)
}

// ValidateQueryStatusUpdate checks a new status of a Query against the one before.
// A Query that has ended stays as it ended: any other phase would have it executed
// again. Who wants a new answer creates a new Query.
func ValidateQueryStatusUpdate(q, old *Query) field.ErrorList {
	errs := ValidateQueryStatus(q)
	if before := old.Status.Phase; before.IsTerminal() && q.Status.Phase != before {
		errs = append(errs, field.Forbidden(field.NewPath("status", "phase"),
			fmt.Sprintf("the Query has ended as %s: create a new one to ask again", before)))
	}
	return errs
}

func validateTarget(t *QueryTarget, path *field.Path) field.ErrorList {
	if t == nil {
		return nil
	}
	errs := validateEnum(t.Type, path.Child("type"), TargetAgent, TargetTeam, TargetModel, TargetTool)
	return append(errs, validateRequired(t.Name, path.Child("name"))...)
}
