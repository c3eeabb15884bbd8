package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/test/kubectl"
)

// A key that nothing reads, at whatever level, is a mistake of the one who set it.
func TestUnknownValuesRefused(t *testing.T) {
	s := readSchema(t)
	values := map[string]any{}
	var wants []string
	s.walk(t, s, nil, func(path []string, _ *schema) {
		inner := values
		for _, name := range path {
			if inner[name] == nil {
				inner[name] = map[string]any{}
			}
			inner = inner[name].(map[string]any)
		}
		inner["unheardOf"] = true
		at := strings.Join(append([]string{""}, path...), "/")
		wants = append(wants, "at '"+at+"': additional properties 'unheardOf' not allowed")
	})
	if len(wants) < 20 {
		t.Fatalf("the schema has few levels: %q", wants)
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = helm(t, "template", "ark", chart, "-f", file); err == nil {
		t.Fatal("unknown keys are not refused")
	}
	kubectl.Contain(t, err.Error(), wants...)
}

// Whatever can be set has a default, and so a line in the README; and it is set in a
// test, so that what it does is seen.
func TestSettings(t *testing.T) {
	defaults := readValues(t, filepath.Join(chart, "values.yaml"))
	var sets []map[string]any
	eachSet(t, func(t *testing.T, set string) { sets = append(sets, readValues(t, valuesFile(set))) })
	s := readSchema(t)
	s.walk(t, s, nil, func(path []string, level *schema) {
		if len(path) > 0 && setAsWhole(path[len(path)-1]) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(level.Properties)) {
			setting := append(slices.Clone(path), name)
			if level.Properties[name].Properties != nil && !setAsWhole(name) || setting[0] == "global" { // Helm's own
				continue
			}
			if !isSet(defaults, setting) {
				t.Errorf("%s has no default", strings.Join(setting, "."))
			}
			off := func(test switchOff) bool { return test.setting == strings.Join(setting, ".") }
			in := func(values map[string]any) bool { return isSet(values, setting) }
			if !slices.ContainsFunc(sets, in) && !slices.ContainsFunc(switchedOff, off) {
				t.Errorf("no test sets %s", strings.Join(setting, "."))
			}
		}
	})
}

// setAsWhole are settings of several fields that are Kubernetes' own.
func setAsWhole(name string) bool { return name == "resources" || name == "issuerRef" }

func readValues(t testing.TB, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return values
}

func isSet(values map[string]any, path []string) bool {
	value, found := values[path[0]]
	inner, ok := value.(map[string]any)
	return found && (len(path) == 1 || ok && isSet(inner, path[1:]))
}

// schema is what these tests read of a JSON schema.
type schema struct {
	Reference            string             `json:"$ref"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties any                `json:"additionalProperties"`
	Definitions          map[string]*schema `json:"$defs"`
}

func readSchema(t testing.TB) *schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// walk visits each level that names its properties: it must allow no others.
func (s *schema) walk(t testing.TB, root *schema, path []string, visit func(path []string, level *schema)) {
	t.Helper()
	if name, found := strings.CutPrefix(s.Reference, "#/$defs/"); found {
		s = root.Definitions[name]
	}
	if s.Properties == nil {
		return
	}
	if s.AdditionalProperties != false {
		t.Errorf("%q allows keys that nothing reads", strings.Join(path, "."))
	}
	visit(path, s)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		s.Properties[name].walk(t, root, append(slices.Clone(path), name), visit)
	}
}
