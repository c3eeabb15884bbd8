package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateAgent checks an Agent as a user writes it. That its Model and tools exist
// is no condition of being stored: the Available condition tells.
func ValidateAgent(a *Agent) field.ErrorList {
	if a.DeletionTimestamp != nil {
		return nil
	}
	spec := &a.Spec
	errs := validateParameters(spec.Parameters, specPath.Child("parameters"))
	errs = append(errs, validateOverrides(spec.Overrides, specPath.Child("overrides"))...)
	errs = append(errs, validateJSONObject(spec.OutputSchema, specPath.Child("outputSchema"))...)
	for i := range spec.Tools {
		errs = append(errs, validateAgentTool(&spec.Tools[i], specPath.Child("tools").Index(i))...)
	}
	return errs
}

func validateAgentTool(t *AgentTool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if t.Type == AgentToolBuiltIn {
		errs = append(errs, validateEnum(t.Name, path.Child("name"), BuiltinNoop, BuiltinTerminate)...)
	} else {
		errs = append(errs, validateRequired(t.Name, path.Child("name"))...)
	}
	errs = append(errs, validateFunctions(t.Functions, path.Child("functions"))...)
	if t.Partial != nil {
		errs = append(errs, validateFunctions(t.Partial.Parameters, path.Child("partial", "parameters"))...)
	}
	return append(errs, validateApproval(t.Approval, path.Child("approval"))...)
}

// validateFunctions checks functions and the parameters of a partial, which look
// alike: each may have a value or a source.
func validateFunctions(functions []ToolFunction, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, f := range functions {
		if f.ValueFrom != nil {
			errs = append(errs, validateValueFrom(f.ValueFrom, path.Index(i).Child("valueFrom"))...)
		}
	}
	return errs
}
