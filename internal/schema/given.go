package schema

import (
	"fmt"
	"regexp"
	"slices"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// given finds in an object what nobody gave, though its Go type writes it: null,
// where the cluster's API server drops it too; and the zero value of a field that
// is required and whose schema refuses the zero value. Otherwise a name that was
// left out would not be missing, but too short. Where the zero value is allowed,
// as in the message of a condition, it is what was given.
//
// It has the shape of the schema: fields of an object, items of a list, values of
// a map; nil where the schema says nothing.
type given struct {
	nullable, notZero bool
	fields            map[string]*given
	items, values     *given
}

func newGiven(s *structuralschema.Structural) (*given, error) {
	if s == nil {
		return nil, nil
	}
	g := &given{nullable: s.Nullable || s.Default.Object != nil, fields: make(map[string]*given, len(s.Properties))}
	var err error
	if g.items, err = newGiven(s.Items); err != nil {
		return nil, err
	}
	if s.AdditionalProperties != nil {
		if g.values, err = newGiven(s.AdditionalProperties.Structural); err != nil {
			return nil, err
		}
	}
	for name, property := range s.Properties {
		below, err := newGiven(&property)
		if err == nil && s.ValueValidation != nil && slices.Contains(s.ValueValidation.Required, name) {
			below.notZero, err = refusesZero(name, &property)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		g.fields[name] = below
	}
	return g, nil
}

// named are required texts that are nothing if they are empty, though the schema
// does not say so: a Secret's key, the operator of a selector.
var named = []string{"clientID", "key", "name", "operator"}

// refusesZero tells whether a required field may not be an empty text, or an
// object without fields.
func refusesZero(name string, s *structuralschema.Structural) (bool, error) {
	rules := s.ValueValidation
	if rules == nil {
		rules = &structuralschema.ValueValidation{}
	}
	if s.Type == "object" {
		_, source := s.Properties["valueFrom"] // needs that or a value
		return source || len(rules.Required) > 0 || len(s.XValidations) > 0, nil
	}
	if slices.Contains(named, name) || rules.MinLength != nil && *rules.MinLength > 0 {
		return true, nil
	}
	if len(rules.Enum) > 0 {
		return !slices.ContainsFunc(rules.Enum, func(v structuralschema.JSON) bool { return v.Object == "" }), nil
	}
	if rules.Pattern == "" {
		return false, nil
	}
	pattern, err := regexp.Compile(rules.Pattern)
	if err != nil {
		return false, err
	}
	return !pattern.MatchString(""), nil
}

// keep removes from a value all that nobody gave.
func (g *given) keep(value any) {
	if g == nil {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			below := g.fields[name]
			if below == nil {
				below = g.values
			}
			below.keep(child)
			if below.without(child) {
				delete(value, name)
			}
		}
	case []any:
		for _, item := range value {
			g.items.keep(item)
		}
	}
}

// without tells whether a value in its place is as if there were none.
func (g *given) without(value any) bool {
	if g == nil {
		return false
	}
	switch value := value.(type) {
	case nil:
		return !g.nullable
	case string:
		return g.notZero && value == ""
	case map[string]any:
		return g.notZero && len(value) == 0
	}
	return false
}
