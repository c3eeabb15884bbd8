package v1alpha1

import (
	"regexp"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxInlineSource is the most characters that the source of an inline Tool may have.
const maxInlineSource = 65536

var (
	urlPattern         = regexp.MustCompile(`^https?://.*`)
	httpTimeoutPattern = regexp.MustCompile(`^[0-9]+[smh]?$`)
)

// ValidateTool checks a Tool as a user writes it. Whether what it refers to exists
// has to be asked elsewhere.
func ValidateTool(t *Tool) field.ErrorList {
	errs, ok := validateMeta(t, true)
	if !ok {
		return nil
	}
	spec := &t.Spec
	errs = append(errs, validateEnum(spec.Type, specPath.Child("type"),
		ToolHTTP, ToolMCP, ToolAgent, ToolTeam, ToolBuiltin, ToolInline)...)
	if present, known := spec.blocks()[spec.Type]; known && !present {
		errs = append(errs, field.Required(specPath.Child(string(spec.Type)), "the type "+string(spec.Type)+" needs it"))
	}
	errs = append(errs, validateJSONSchema(spec.InputSchema, specPath.Child("inputSchema"))...)
	errs = append(errs, validateApproval(spec.Approval, specPath.Child("approval"))...)
	if spec.HTTP != nil {
		errs = append(errs, validateHTTP(spec.HTTP, specPath.Child("http"))...)
	}
	return append(errs, validateToolRefs(spec, specPath)...)
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

func validateHTTP(h *HTTPSpec, path *field.Path) field.ErrorList {
	errs := validateRequired(h.URL, path.Child("url"))
	errs = append(errs, validatePattern(h.URL, path.Child("url"), urlPattern)...)
	errs = append(errs, validateOptionalEnum(h.Method, path.Child("method"),
		MethodGet, MethodPost, MethodPut, MethodDelete, MethodPatch)...)
	errs = append(errs, validatePattern(h.Timeout, path.Child("timeout"), httpTimeoutPattern)...)
	errs = append(errs, ValidateHeaders(h.Headers, path.Child("headers"))...)
	return append(errs, validateParameters(h.BodyParameters, path.Child("bodyParameters"))...)
}

func validateToolRefs(spec *ToolSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if spec.MCP != nil {
		errs = append(errs, validateRequired(spec.MCP.MCPServerRef.Name, path.Child("mcp", "mcpServerRef", "name"))...)
		errs = append(errs, validateRequired(spec.MCP.ToolName, path.Child("mcp", "toolName"))...)
	}
	if spec.Agent != nil {
		errs = append(errs, validateRequired(spec.Agent.Name, path.Child("agent", "name"))...)
	}
	if spec.Team != nil {
		errs = append(errs, validateRequired(spec.Team.Name, path.Child("team", "name"))...)
	}
	if spec.Builtin != nil {
		errs = append(errs, validateEnum(spec.Builtin.Name, path.Child("builtin", "name"), BuiltinNoop, BuiltinTerminate)...)
	}
	if spec.Inline != nil {
		errs = append(errs, validateInline(spec.Inline, path.Child("inline"))...)
	}
	return errs
}

func validateInline(s *InlineToolSpec, path *field.Path) field.ErrorList {
	errs := validateRequired(s.Source, path.Child("source"))
	if utf8.RuneCountInString(s.Source) > maxInlineSource {
		errs = append(errs, field.TooLongCharacters(path.Child("source"), s.Source, maxInlineSource))
	}
	return append(errs, validateEnum(s.Language, path.Child("language"),
		LanguageBash, LanguagePython, LanguageNode, LanguageTS)...)
}
