package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"mckinsey.com/ark/gen/crd"
)

// Reasons of intended differences.
const (
	newer    = "newer than the April 2026 schema"
	approval = "tool approval is newer than the April 2026 schema"
	inline   = "inline tools are newer than the April 2026 schema"
	oauth    = "OAuth of MCP servers is newer than the April 2026 schema"
)

// intendedDifferences are where our schemas differ from those of April 2026, each
// with its reason. A key that ends in * stands for everything below.
var intendedDifferences = map[string]string{
	"Agent.spec.tools[].approval*": approval,

	"MCPServer.spec.authorization*":                                              oauth,
	"MCPServer.spec.toolCallTimeout*":                                            newer,
	"MCPServer.status.authorization.expiresAt*":                                  oauth,
	"MCPServer.status.authorization.state enum":                                  oauth,
	"MCPServer.status.authorization.tokenEndpointAuthMethodsSupported*":          oauth,
	"MCPServer.status.authorization.tokenEndpointAuthSigningAlgValuesSupported*": oauth,

	"Query.spec.ttl default":                "the default comes from the ArkConfig since there is one",
	"Query.status.phase enum":               "queued, provisioning and input-required are newer",
	"Query.status.tokenUsage.cachedTokens*": newer,

	"Tool.spec.approval*":          approval,
	"Tool.spec.inline*":            inline,
	"Tool.spec.type enum":          inline,
	"Tool.status.conditions*":      inline,
	"Tool.status.resolvedAddress*": newer,
	"Tool columns":                 "Type and State are shown too",
}

// compatSchema is a file of the folder of schemas.
type compatSchema struct {
	Names    apiextensionsv1.CustomResourceDefinitionNames `json:"names"`
	Scope    apiextensionsv1.ResourceScope                 `json:"scope"`
	Versions []struct {
		Name           string                                           `json:"name"`
		PrinterColumns []apiextensionsv1.CustomResourceColumnDefinition `json:"printerColumns"`
		Schema         apiextensionsv1.JSONSchemaProps                  `json:"schema"`
	} `json:"versions"`
}

// Our CustomResourceDefinitions say what those of April 2026 say, the intended
// differences apart, and every intended difference is one.
func TestSchemasAreCompatible(t *testing.T) {
	t.Parallel()
	ours := definitions(t)
	found := sets.New[string]()
	for _, file := range compatFiles(t, "schemas") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var theirs compatSchema
		if err := yaml.Unmarshal(content, &theirs); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		kind := theirs.Names.Kind
		definition, present := ours[kind]
		if !present {
			t.Errorf("%s: no such kind here", kind)
			continue
		}
		for _, difference := range compareKind(definition, &theirs) {
			if reason, key := intended(difference); reason != "" {
				found.Insert(key)
				continue
			}
			t.Error(difference)
		}
	}
	for key := range intendedDifferences {
		if !found.Has(key) {
			t.Errorf("intended difference %q is none", key)
		}
	}
}

// intended returns the reason and the key of an intended difference.
func intended(difference string) (reason, key string) {
	where, _, _ := strings.Cut(difference, ":")
	for key, reason := range intendedDifferences {
		if prefix, all := strings.CutSuffix(key, "*"); key == where || all && strings.HasPrefix(where, prefix) {
			return reason, key
		}
	}
	return "", ""
}

// definitions returns our CustomResourceDefinitions by kind.
func definitions(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	entries, err := crd.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, entry := range entries {
		content, err := crd.Files.ReadFile(filepath.Join(".", entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &definition); err != nil {
			t.Fatalf("%s: %v", entry.Name(), err)
		}
		result[definition.Spec.Names.Kind] = &definition
	}
	if len(result) != len(kinds) {
		t.Fatalf("%d definitions for %d kinds", len(result), len(kinds))
	}
	return result
}

// compareKind returns the differences, each as "place: what".
func compareKind(ours *apiextensionsv1.CustomResourceDefinition, theirs *compatSchema) []string {
	kind := theirs.Names.Kind
	var differences []string
	add := func(place string, got, want any) {
		if !apiequality.Semantic.DeepEqual(got, want) {
			differences = append(differences, fmt.Sprintf("%s: %v instead of %v", place, got, want))
		}
	}
	version, theirVersion := ours.Spec.Versions[0], theirs.Versions[0]
	add(kind+" plural", ours.Spec.Names.Plural, theirs.Names.Plural)
	add(kind+" singular", ours.Spec.Names.Singular, theirs.Names.Singular)
	add(kind+" list kind", ours.Spec.Names.ListKind, theirs.Names.ListKind)
	add(kind+" scope", ours.Spec.Scope, theirs.Scope)
	add(kind+" version", version.Name, theirVersion.Name)
	add(kind+" columns", columns(version.AdditionalPrinterColumns), columns(theirVersion.PrinterColumns))
	compareSchema(kind, version.Schema.OpenAPIV3Schema, &theirVersion.Schema, add)
	return differences
}

// columns returns name, type and path of each column, in one spelling.
func columns(definitions []apiextensionsv1.CustomResourceColumnDefinition) []string {
	var result []string
	for _, c := range definitions {
		result = append(result, c.Name+" "+c.Type+" "+strings.ReplaceAll(c.JSONPath, `"`, "'"))
	}
	return result
}

// compareSchema reports every difference in what a schema lets pass or fills in.
func compareSchema(path string, ours, theirs *apiextensionsv1.JSONSchemaProps, add func(place string, got, want any)) {
	add(path+" type", ours.Type, theirs.Type)
	add(path+" required", sorted(ours.Required), sorted(theirs.Required))
	add(path+" enum", rawValues(ours.Enum), rawValues(theirs.Enum))
	add(path+" pattern", ours.Pattern, theirs.Pattern)
	add(path+" minLength", ours.MinLength, theirs.MinLength)
	add(path+" maxLength", ours.MaxLength, theirs.MaxLength)
	add(path+" minimum", ours.Minimum, theirs.Minimum)
	add(path+" maximum", ours.Maximum, theirs.Maximum)
	add(path+" preserve-unknown", ours.XPreserveUnknownFields, theirs.XPreserveUnknownFields)
	add(path+" default", rawValue(ours.Default), rawValue(theirs.Default))
	for _, name := range sets.List(sets.KeySet(ours.Properties).Union(sets.KeySet(theirs.Properties))) {
		our, inOurs := ours.Properties[name]
		their, inTheirs := theirs.Properties[name]
		if inOurs != inTheirs {
			add(path+"."+name, present(inOurs), present(inTheirs))
			continue
		}
		compareSchema(path+"."+name, &our, &their, add)
	}
	if (ours.Items == nil) != (theirs.Items == nil) {
		add(path+"[]", present(ours.Items != nil), present(theirs.Items != nil))
	} else if ours.Items != nil {
		compareSchema(path+"[]", ours.Items.Schema, theirs.Items.Schema, add)
	}
	if (ours.AdditionalProperties == nil) != (theirs.AdditionalProperties == nil) {
		add(path+"{}", present(ours.AdditionalProperties != nil), present(theirs.AdditionalProperties != nil))
	} else if ours.AdditionalProperties != nil {
		compareSchema(path+"{}", ours.AdditionalProperties.Schema, theirs.AdditionalProperties.Schema, add)
	}
}

func present(there bool) string {
	if there {
		return "present"
	}
	return "absent"
}

func sorted(names []string) []string {
	result := append([]string{}, names...)
	sort.Strings(result)
	return result
}

func rawValue(value *apiextensionsv1.JSON) string {
	if value == nil {
		return ""
	}
	return string(value.Raw)
}

func rawValues(values []apiextensionsv1.JSON) []string {
	result := []string{}
	for i := range values {
		result = append(result, rawValue(&values[i]))
	}
	sort.Strings(result)
	return result
}
