package install_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsinstall "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/runtime"
)

// internalDefinition returns what an API server makes of a CustomResourceDefinition.
func internalDefinition(t *testing.T, in *apiextensionsv1.CustomResourceDefinition) *apiextensions.CustomResourceDefinition {
	t.Helper()
	scheme := runtime.NewScheme()
	apiextensionsinstall.Install(scheme)
	in = in.DeepCopy()
	in.Status.StoredVersions = []string{in.Spec.Versions[0].Name}
	scheme.Default(in)
	out := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(in, out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// An API server accepts every CustomResourceDefinition, its rules and patterns
// included.
func TestDefinitionsAreValid(t *testing.T) {
	t.Parallel()
	for kind, definition := range definitions(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			errs := apiextensionsvalidation.ValidateCustomResourceDefinition(context.Background(), internalDefinition(t, definition))
			for _, err := range errs {
				t.Error(err)
			}
		})
	}
}

// defaulted are specs in which everything stands that has defaults inside.
var defaulted = map[string]string{
	"A2ATask":   `{"queryRef":{"name":"q"},"a2aServerRef":{"name":"s"},"agentRef":{},"taskId":"1"}`,
	"Agent":     `{"tools":[{"type":"http","name":"t","approval":{"required":true},"partial":{"parameters":[{"name":"p"}]}}],"parameters":[{"name":"p","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}`,
	"ArkConfig": `{}`,
	"MCPServer": `{"address":{"value":"x"},"authorization":{"tokenSecretRef":{"name":"t"},"clientCredentials":{"clientID":"c","clientAuthentication":{"privateKeyJWT":{"secretKeyRef":{"name":"k"}}}}}}`,
	"Memory":    `{"address":{"value":"x"}}`,
	"Model":     `{"model":{"value":"m"},"provider":"openai","config":{"openai":{"baseUrl":{"value":"u"},"apiKey":{"value":"k"}},"azure":{"baseUrl":{"value":"u"},"auth":{"managedIdentity":{}}},"bedrock":{},"anthropic":{"baseUrl":{"value":"u"},"apiKey":{"value":"k"}}}}`,
	"Query":     `{"input":"hi","target":{"type":"agent","name":"a"},"overrides":[{"resourceType":"model","headers":[],"labelSelector":{}}]}`,
	"Team":      `{"members":[{"name":"a","type":"agent"}],"strategy":"selector","selector":{"agent":"a"},"graph":{"edges":[]}}`,
	"Tool":      `{"type":"http","http":{"url":"http://x"},"approval":{},"inline":{"source":"x","language":"bash"},"annotations":{}}`,

	"A2AServer":       `{"address":{"value":"x"}}`,
	"ExecutionEngine": `{"address":{"value":"x"}}`,
}

// defaultedStatus are statuses without a phase.
var defaultedStatus = map[string]string{
	"A2ATask": `{"error":"x"}`, "Query": `{"duration":"1s"}`,
}

// The defaults of the schemas and those of the scheme are the same, so that an
// object is the same in both backends.
func TestSchemaAndSchemeDefaultAlike(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	for kind, definition := range definitions(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			document := `{"apiVersion":"` + kinds[kind].String() + `","kind":"` + kind + `","metadata":{"name":"x"},"spec":` + defaulted[kind]
			if status, ok := defaultedStatus[kind]; ok {
				document += `,"status":` + status
			}
			document += "}"

			validation, err := apiextensions.GetSchemaForVersion(internalDefinition(t, definition), kinds[kind].Version)
			if err != nil {
				t.Fatal(err)
			}
			structural, err := structuralschema.NewStructural(validation.OpenAPIV3Schema)
			if err != nil {
				t.Fatal(err)
			}
			var bySchema map[string]any
			if err := json.Unmarshal([]byte(document), &bySchema); err != nil {
				t.Fatal(err)
			}
			structuraldefaulting.Default(bySchema, structural)

			byScheme, err := scheme.New(kinds[kind].WithKind(kind))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(document), byScheme); err != nil {
				t.Fatal(err)
			}
			scheme.Default(byScheme)

			for _, part := range []string{"spec", "status"} {
				if diff := cmp.Diff(partOf(t, bySchema, part), partOf(t, byScheme, part)); diff != "" {
					t.Errorf("%s (-schema +scheme):\n%s", part, diff)
				}
			}
		})
	}
}

// partOf returns the spec or the status of obj as a client reads it.
func partOf(t *testing.T, obj any, part string) any {
	t.Helper()
	data, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document[part]
}
