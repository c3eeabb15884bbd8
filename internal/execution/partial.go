package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// excluded is the value that hides a parameter without filling it in.
const excluded = "nil"

// applyPartial fills in some of a tool's parameters and hides them from the model.
// Values are templates that see the Query's parameters as {{ .Query.name }}.
func (x *run) applyPartial(ctx context.Context, t *tool, partial *arkv1alpha1.ToolPartial) error {
	schema, err := decodeSchema(t.definition.Parameters)
	if err != nil {
		return err
	}
	t.fixed = map[string]any{}
	for _, p := range partial.Parameters {
		text, err := x.partialValue(ctx, p)
		if err != nil {
			x.warnParameter(err)
			return fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		if text != excluded {
			if t.fixed[p.Name], err = schema.typed(p.Name, text); err != nil {
				return fmt.Errorf("parameter %q: %w", p.Name, err)
			}
		}
		schema.hide(p.Name)
	}
	t.definition.Parameters, err = schema.encode()
	return err
}

func (x *run) partialValue(ctx context.Context, p arkv1alpha1.ToolFunction) (string, error) {
	text, err := x.values.Value(ctx, arkv1alpha1.ValueSource{Value: p.Value, ValueFrom: p.ValueFrom})
	if err != nil || p.ValueFrom != nil || !strings.Contains(text, "{{") {
		return text, err
	}
	parameters, err := x.values.Parameters(ctx, x.query.Spec.Parameters)
	if err != nil {
		return "", fmt.Errorf("query parameters: %w", err)
	}
	return render(ctx, p.Name, text, map[string]any{"Query": parameters})
}

// objectSchema is the JSON schema of a tool's arguments, as far as partials touch it.
type objectSchema struct {
	all        map[string]json.RawMessage
	properties map[string]json.RawMessage
	required   []string
}

func decodeSchema(raw json.RawMessage) (*objectSchema, error) {
	s := &objectSchema{}
	if err := json.Unmarshal(raw, &s.all); err != nil {
		return nil, fmt.Errorf("inputSchema is not a JSON object: %w", err)
	}
	if properties, ok := s.all["properties"]; ok {
		if err := json.Unmarshal(properties, &s.properties); err != nil {
			return nil, fmt.Errorf("inputSchema.properties: %w", err)
		}
	}
	if required, ok := s.all["required"]; ok {
		if err := json.Unmarshal(required, &s.required); err != nil {
			return nil, fmt.Errorf("inputSchema.required: %w", err)
		}
	}
	return s, nil
}

func (s *objectSchema) hide(name string) {
	delete(s.properties, name)
	s.required = slices.DeleteFunc(s.required, func(r string) bool { return r == name })
}

// typed returns text as the type that the schema asks for.
func (s *objectSchema) typed(name, text string) (any, error) {
	var property struct {
		Type any `json:"type"` // A name, or a list of names.
	}
	if raw, ok := s.properties[name]; ok {
		if err := json.Unmarshal(raw, &property); err != nil {
			return nil, fmt.Errorf("inputSchema.properties: %w", err)
		}
	}
	switch property.Type {
	case "integer", "number":
		var number json.Number
		if err := json.Unmarshal([]byte(text), &number); err != nil || number == "" {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return number, nil
	case "boolean":
		return strconv.ParseBool(text)
	case "object", "array":
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		return value, nil
	}
	return text, nil
}

func (s *objectSchema) encode() (json.RawMessage, error) {
	for key, value := range map[string]any{"properties": s.properties, "required": s.required} {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode the schema: %w", err)
		}
		s.all[key] = encoded
	}
	if s.properties == nil {
		s.all["properties"] = json.RawMessage(`{}`)
	}
	if len(s.required) == 0 {
		delete(s.all, "required")
	}
	return json.Marshal(s.all)
}
