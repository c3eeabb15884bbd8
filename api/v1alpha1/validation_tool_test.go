package v1alpha1

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestValidateTool(t *testing.T) {
	t.Parallel()
	valid := func() *Tool {
		return &Tool{ObjectMeta: meta("t"), Spec: ToolSpec{
			Type: ToolHTTP,
			HTTP: &HTTPSpec{URL: "https://example.com/{city}", Method: MethodGet, Timeout: "30s", BodyParameters: []Parameter{{Name: "p", Value: "v"}}},
			InputSchema: &runtime.RawExtension{Raw: []byte(
				`{"type":"object","properties":{"city":{"type":["string","null"]},"days":{"items":{"type":"integer"}}},"required":["city"],"additionalProperties":false}`)},
		}}
	}
	schema := func(raw string) func(*Tool) { return func(t *Tool) { t.Spec.InputSchema.Raw = []byte(raw) } }
	only := func(spec ToolSpec) func(*Tool) { return func(t *Tool) { t.Spec = spec } }
	runInvalid(t, valid, ValidateTool, []invalidCase[Tool]{
		{"no spec", func(t *Tool) { t.Spec = ToolSpec{} }, []string{"FieldValueRequired spec.type"}},
		{"no block", func(t *Tool) { t.Spec.Type = ToolMCP }, []string{"FieldValueRequired spec.mcp"}},
		{"body parameter", func(t *Tool) { t.Spec.HTTP.BodyParameters[0].Value = "" }, []string{"FieldValueRequired spec.http.bodyParameters[0]"}},
		{"schema is no object", schema(`"object"`), []string{"FieldValueTypeInvalid spec.inputSchema"}},
		{"schema is true", schema(`true`), []string{"FieldValueTypeInvalid spec.inputSchema"}},
		{"schema is no JSON", schema(`{`), []string{"FieldValueInvalid spec.inputSchema"}},
		{"schema type", schema(`{"type":"text"}`), []string{"FieldValueNotSupported spec.inputSchema.type"}},
		{"schema type is no name", schema(`{"type":1}`), []string{"FieldValueNotSupported spec.inputSchema.type"}},
		{"nested schema types", schema(`{"properties":{"a":{"type":["string","text"]}},"items":[{"type":"x"}],"anyOf":[{"not":{"type":"y"}}]}`),
			[]string{"FieldValueNotSupported spec.inputSchema.properties[a].type[1]", "FieldValueNotSupported spec.inputSchema.items[0].type", "FieldValueNotSupported spec.inputSchema.anyOf[0].not.type"}},
		{"schema properties", schema(`{"properties":["a"],"required":"a"}`), []string{"FieldValueTypeInvalid spec.inputSchema.properties", "FieldValueTypeInvalid spec.inputSchema.required"}},
		{"schema names", schema(`{"required":[1],"additionalProperties":"no"}`), []string{"FieldValueTypeInvalid spec.inputSchema.additionalProperties", "FieldValueTypeInvalid spec.inputSchema.required[0]"}},
		{"builtin", only(ToolSpec{Type: ToolBuiltin, Builtin: &BuiltinToolRef{Name: "think"}}), []string{"FieldValueNotSupported spec.builtin.name"}},
	})
}

func TestValidateMCPServer(t *testing.T) {
	t.Parallel()
	valid := func() *MCPServer {
		return &MCPServer{ObjectMeta: meta("s"), Spec: MCPServerSpec{
			Address: ValueSource{Value: "http://example.com/mcp"}, Transport: TransportHTTP, Timeout: "30s", ToolCallTimeout: "1h1.5m", PollInterval: "1m",
			Authorization: &MCPAuthorization{TokenSecretRef: TokenSecretRef{Name: "token"}, ClientCredentials: &ClientCredentials{
				ClientID:             "ark",
				ClientAuthentication: ClientAuthentication{PrivateKeyJWT: &PrivateKeyJWT{SecretKeyRef: PrivateKeySecretRef{Name: "key"}, Algorithm: SigningPS512}},
			}},
		}}
	}
	runInvalid(t, valid, ValidateMCPServer, []invalidCase[MCPServer]{
		{"address", func(s *MCPServer) { s.Spec.Address = ValueSource{} }, []string{"FieldValueRequired spec.address"}},
		{"timeouts", func(s *MCPServer) { s.Spec.Timeout, s.Spec.ToolCallTimeout, s.Spec.PollInterval = "x", "1h", "-1s" },
			[]string{"FieldValueInvalid spec.pollInterval", "FieldValueInvalid spec.timeout"}},
		{"client", func(s *MCPServer) { s.Spec.Authorization.ClientCredentials = &ClientCredentials{} },
			[]string{"FieldValueRequired spec.authorization.clientCredentials.clientID"}},
	})
}

func TestValidateSmallKinds(t *testing.T) {
	t.Parallel()
	memory := func() *Memory {
		return &Memory{ObjectMeta: meta("m"), Spec: MemorySpec{Address: ValueSource{Value: "http://m"}}}
	}
	runInvalid(t, memory, ValidateMemory, []invalidCase[Memory]{
		{"Memory without address", func(m *Memory) { m.Spec.Address = ValueSource{} }, []string{"FieldValueRequired spec.address"}},
		{"Memory with a bad header", func(m *Memory) { m.Spec.Headers = []Header{{Name: "X"}} }, []string{"FieldValueRequired spec.headers[0].value"}},
	})
	config := func() *ArkConfig {
		return &ArkConfig{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: ArkConfigSpec{QueryTTL: "24h"}}
	}
	runInvalid(t, config, ValidateArkConfig, []invalidCase[ArkConfig]{
		{"ArkConfig with a bad ttl", func(c *ArkConfig) { c.Spec.QueryTTL = "a day" }, []string{"FieldValueInvalid spec.queryTTL"}},
	})
	task := func() *A2ATask {
		return &A2ATask{ObjectMeta: meta("t"), Spec: A2ATaskSpec{QueryRef: QueryRef{Name: "q"}, A2AServerRef: A2AServerRef{Name: "s"}, TaskID: "1", Timeout: "12h"}}
	}
	runInvalid(t, task, ValidateA2ATask, []invalidCase[A2ATask]{
		{"empty A2ATask", func(t *A2ATask) { t.Spec = A2ATaskSpec{} }, []string{"FieldValueRequired spec.taskId"}},
		{"A2ATask with bad times", func(t *A2ATask) { t.Spec.Timeout, t.Spec.TTL, t.Spec.PollInterval = "x", "y", "z" },
			[]string{"FieldValueInvalid spec.pollInterval", "FieldValueInvalid spec.timeout", "FieldValueInvalid spec.ttl"}},
	})
}
