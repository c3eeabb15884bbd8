package execution

import (
	"encoding/json"
	"slices"
)

// optionalArguments returns what a template sees where a model left an optional
// argument out: something that is false to {{if}} and no text to print. Names that
// the schema does not know remain errors: nobody could set them.
func optionalArguments(schema json.RawMessage) (map[string]any, error) {
	s, err := decodeSchema(schema)
	if err != nil {
		return nil, err
	}
	absent := map[string]any{}
	for name, property := range s.properties {
		if !slices.Contains(s.required, name) {
			absent[name] = absentValue(property)
		}
	}
	return absent, nil
}

// absentValue is the empty value of a property's type. Templates print nil as
// "<no value>", so it is not that; numbers are texts, as they are in arguments.
func absentValue(property json.RawMessage) any {
	var schema struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(property, &schema) != nil {
		return "" // A list of types, or none: a text is printed as nothing.
	}
	switch schema.Type {
	case "boolean":
		return false
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	return ""
}

// withAbsent returns the arguments with what is absent filled in. A model that
// says null says nothing.
func withAbsent(arguments, absent map[string]any) map[string]any {
	all := make(map[string]any, len(arguments)+len(absent))
	for name, value := range absent {
		all[name] = value
	}
	for name, value := range arguments {
		if _, optional := absent[name]; value != nil || !optional {
			all[name] = value
		}
	}
	return all
}
