package server_test

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime"
)

// violation is a document that breaks a schema at one place.
type violation struct {
	// place and constraint that is broken there, such as "spec.type enum".
	place, constraint string
	path              []any
	// required says that the schema demands a value at this place.
	required bool
	// node is the schema of the place.
	node     *structuralschema.Structural
	document map[string]any
}

// matching are texts that match the patterns of the schemas.
var matching = map[string]string{
	`^https?://.*`:                             "https://example.com",
	`^[0-9]+[smh]?$`:                           "5s",
	`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`:         "5s",
	`^(0(\.\d+)?|1(\.0+)?)$`:                   "0.5",
	`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`: "Reason",
	`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`: "Type",
}

// breakRule breaks the rules in CEL, each at its own place.
var breakRule = map[string]func(object map[string]any){
	"self.metadata.name == 'default'":            func(object map[string]any) { object["metadata"].(map[string]any)["name"] = "other" },
	"[has(self.privateKeyJWT)].exists_one(x, x)": func(object map[string]any) { delete(object, "privateKeyJWT") },
}

// violator walks a schema and the document that has everything the schema knows.
type violator struct {
	t        *testing.T
	document map[string]any
	found    []violation
}

// violations breaks every constraint below a field of a schema once.
func violations(t *testing.T, root *structuralschema.Structural, document map[string]any, part string) []violation {
	v := &violator{t: t, document: document}
	node := root.Properties[part]
	document[part] = sample(t, &node)
	v.walk([]any{part}, &node, false)
	for _, rule := range root.XValidations {
		v.change(nil, &node, "rule "+rule.Rule, false, breakRule[rule.Rule])
	}
	return v.found
}

// sample is a value that satisfies a schema and has everything that it knows.
func sample(t *testing.T, s *structuralschema.Structural) any {
	switch {
	case s.Type == "object" && s.AdditionalProperties != nil:
		return map[string]any{"key": sample(t, s.AdditionalProperties.Structural)}
	case s.Type == "object":
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = sample(t, &property)
		}
		return object
	case s.Type == "array":
		return []any{sample(t, s.Items)}
	case s.Type == "string", s.Type == "" && s.XPreserveUnknownFields:
		return sampleText(t, s.ValueValidation)
	case s.Type == "integer":
		return int64(1)
	case s.Type == "boolean":
		return true
	}
	t.Fatalf("make a sample of the type %q", s.Type)
	return nil
}

func sampleText(t *testing.T, rules *structuralschema.ValueValidation) string {
	switch {
	case rules == nil:
		return "text"
	case len(rules.Enum) > 0:
		return rules.Enum[0].Object.(string)
	case rules.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case rules.Pattern == "":
		return "text"
	}
	text, ok := matching[rules.Pattern]
	if !ok {
		t.Fatalf("name a text that matches %s", rules.Pattern)
	}
	return text
}

func (v *violator) walk(path []any, s *structuralschema.Structural, required bool) {
	if s.ValueValidation != nil {
		v.values(path, s, required)
	}
	for _, rule := range s.XValidations {
		v.change(path, s, "rule "+rule.Rule, required, breakRule[rule.Rule])
	}
	if s.XListType != nil && *s.XListType == "map" {
		v.replace(path, s, "duplicate", required, func(value any) any { return append(value.([]any), value.([]any)[0]) })
	}
	for _, name := range sortedNames(s.Properties) {
		property := s.Properties[name]
		must := s.ValueValidation != nil && slices.Contains(s.ValueValidation.Required, name)
		below := append(slices.Clone(path), name)
		if must {
			v.change(path, &property, "required "+name, true, func(object map[string]any) { delete(object, name) })
		}
		v.walk(below, &property, must)
	}
	if s.AdditionalProperties != nil {
		v.walk(append(slices.Clone(path), "key"), s.AdditionalProperties.Structural, false)
	}
	if s.Items != nil {
		v.walk(append(slices.Clone(path), 0), s.Items, false)
	}
}

// values breaks what a schema says of a single value.
func (v *violator) values(path []any, s *structuralschema.Structural, required bool) {
	rules := s.ValueValidation
	set := func(constraint string, value any) {
		v.replace(path, s, constraint, required, func(any) any { return value })
	}
	if len(rules.Enum) > 0 {
		set("enum", "no-such-value")
	}
	if rules.MinLength != nil {
		set("minLength", strings.Repeat("a", int(*rules.MinLength)-1))
	}
	if rules.MaxLength != nil {
		set("maxLength", strings.Repeat("a", int(*rules.MaxLength)+1))
	}
	if rules.Pattern != "" {
		if regexp.MustCompile(rules.Pattern).MatchString("%") {
			v.t.Fatalf("find a text that does not match %s", rules.Pattern)
		}
		set("pattern", "%")
	}
	if rules.Minimum != nil {
		set("minimum", int64(*rules.Minimum)-1)
	}
	if rules.Maximum != nil {
		set("maximum", int64(*rules.Maximum)+1)
	}
	known := *rules
	known.Enum, known.MinLength, known.MaxLength, known.Pattern, known.Minimum, known.Maximum = nil, nil, nil, "", nil, nil
	known.Required, known.Format = nil, ""
	if fmt.Sprint(known) != fmt.Sprint(structuralschema.ValueValidation{}) {
		v.t.Fatalf("%v: say how to break %+v", path, known)
	}
}

// change adds a violation that is made by changing the object at a path.
func (v *violator) change(path []any, node *structuralschema.Structural, constraint string, required bool, change func(map[string]any)) {
	if change == nil {
		v.t.Fatalf("%v: say how to break the %s", path, constraint)
	}
	v.replace(path, node, constraint, required, func(value any) any {
		change(value.(map[string]any))
		return value
	})
}

// replace adds a violation that is made by replacing the value at a path.
func (v *violator) replace(path []any, node *structuralschema.Structural, constraint string, required bool, replace func(any) any) {
	document := runtime.DeepCopyJSON(v.document)
	v.found = append(v.found, violation{
		place: placeOf(path), path: path, constraint: constraint, required: required, node: node,
		document: replaced(document, path, replace).(map[string]any),
	})
}

func replaced(value any, path []any, replace func(any) any) any {
	if len(path) == 0 {
		return replace(value)
	}
	switch step := path[0].(type) {
	case string:
		value.(map[string]any)[step] = replaced(value.(map[string]any)[step], path[1:], replace)
	case int:
		value.([]any)[step] = replaced(value.([]any)[step], path[1:], replace)
	}
	return value
}

// placeOf writes a path as errors do.
func placeOf(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

// zeroAccepted tells whether the zero value of a required field satisfies its
// schema, so that a Go type cannot tell whether somebody gave it.
func zeroAccepted(s *structuralschema.Structural) bool {
	rules := s.ValueValidation
	switch s.Type {
	case "array":
		return false // nil is no list
	case "", "object":
		return s.Type == "object" && (rules == nil || len(rules.Required) == 0)
	}
	return rules == nil || len(rules.Enum) == 0 && rules.MinLength == nil && rules.Pattern == "" && rules.Format == ""
}

func sortedNames(properties map[string]structuralschema.Structural) []string {
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
