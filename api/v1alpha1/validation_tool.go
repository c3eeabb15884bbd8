package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateTool checks a Tool as a user writes it. Whether what it refers to exists
// has to be asked elsewhere.
func ValidateTool(t *Tool) field.ErrorList {
	if t.DeletionTimestamp != nil {
		return nil
	}
	spec := &t.Spec
	// The schema demands it of a spec, but no spec.
	errs := validateRequired(string(spec.Type), specPath.Child("type"))
	if present, known := spec.blocks()[spec.Type]; known && !present {
		errs = append(errs, field.Required(specPath.Child(string(spec.Type)), "the type "+string(spec.Type)+" needs it"))
	}
	errs = append(errs, validateJSONSchema(spec.InputSchema, specPath.Child("inputSchema"))...)
	errs = append(errs, validateApproval(spec.Approval, specPath.Child("approval"))...)
	if h := spec.HTTP; h != nil {
		errs = append(errs, ValidateHeaders(h.Headers, specPath.Child("http", "headers"))...)
		errs = append(errs, validateParameters(h.BodyParameters, specPath.Child("http", "bodyParameters"))...)
	}
	if spec.Builtin != nil {
		errs = append(errs, validateEnum(spec.Builtin.Name, specPath.Child("builtin", "name"), BuiltinNoop, BuiltinTerminate)...)
	}
	return errs
}

// blocks tells which blocks of a Tool are set, by the type that each belongs to.
func (s *ToolSpec) blocks() map[ToolType]bool {
	return map[ToolType]bool{
		ToolHTTP:    s.HTTP != nil,
		ToolMCP:     s.MCP != nil,
		ToolAgent:   s.Agent != nil,
		ToolTeam:    s.Team != nil,
		ToolBuiltin: s.Builtin != nil,
		ToolInline:  s.Inline != nil,
	}
}
