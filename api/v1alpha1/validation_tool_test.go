package v1alpha1

import (
	"strings"
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
		{"no type", func(t *Tool) { t.Spec.Type = "" }, []string{"FieldValueRequired spec.type"}},
		{"type", func(t *Tool) { t.Spec.Type = "grpc" }, []string{"FieldValueNotSupported spec.type"}},
		{"no block", func(t *Tool) { t.Spec.Type = ToolMCP }, []string{"FieldValueRequired spec.mcp"}},
		{"no url", func(t *Tool) { t.Spec.HTTP.URL = "" }, []string{"FieldValueRequired spec.http.url"}},
		{"url", func(t *Tool) { t.Spec.HTTP.URL = "ftp://example.com" }, []string{"FieldValueInvalid spec.http.url"}},
		{"method", func(t *Tool) { t.Spec.HTTP.Method = "HEAD" }, []string{"FieldValueNotSupported spec.http.method"}},
		{"timeout", func(t *Tool) { t.Spec.HTTP.Timeout = "1m30s" }, []string{"FieldValueInvalid spec.http.timeout"}},
		{"header", func(t *Tool) { t.Spec.HTTP.Headers = []Header{{Value: HeaderValue{Value: "v"}}} }, []string{"FieldValueRequired spec.http.headers[0].name"}},
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
		{"mcp", only(ToolSpec{Type: ToolMCP, MCP: &MCPToolRef{}}), []string{"FieldValueRequired spec.mcp.mcpServerRef.name", "FieldValueRequired spec.mcp.toolName"}},
		{"agent", only(ToolSpec{Type: ToolAgent, Agent: &AgentToolRef{}}), []string{"FieldValueRequired spec.agent.name"}},
		{"team", only(ToolSpec{Type: ToolTeam, Team: &TeamToolRef{}}), []string{"FieldValueRequired spec.team.name"}},
		{"builtin", only(ToolSpec{Type: ToolBuiltin, Builtin: &BuiltinToolRef{Name: "think"}}), []string{"FieldValueNotSupported spec.builtin.name"}},
		{"inline", only(ToolSpec{Type: ToolInline, Inline: &InlineToolSpec{Source: "echo", Language: LanguageBash}}), nil},
		{"empty inline", only(ToolSpec{Type: ToolInline, Inline: &InlineToolSpec{}}), []string{"FieldValueRequired spec.inline.language", "FieldValueRequired spec.inline.source"}},
		{"long inline", only(ToolSpec{Type: ToolInline, Inline: &InlineToolSpec{Source: strings.Repeat("é", maxInlineSource+1), Language: "perl"}}),
			[]string{"FieldValueNotSupported spec.inline.language", "FieldValueTooLong spec.inline.source"}},
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
		{"no transport", func(s *MCPServer) { s.Spec.Transport = "" }, []string{"FieldValueRequired spec.transport"}},
		{"transport", func(s *MCPServer) { s.Spec.Transport = "stdio" }, []string{"FieldValueNotSupported spec.transport"}},
		{"timeouts", func(s *MCPServer) { s.Spec.Timeout, s.Spec.ToolCallTimeout, s.Spec.PollInterval = "x", "1d", "-1s" },
			[]string{"FieldValueInvalid spec.pollInterval", "FieldValueInvalid spec.timeout", "FieldValueInvalid spec.toolCallTimeout"}},
		{"token", func(s *MCPServer) { s.Spec.Authorization = &MCPAuthorization{} }, []string{"FieldValueRequired spec.authorization.tokenSecretRef.name"}},
		{"client", func(s *MCPServer) { s.Spec.Authorization.ClientCredentials = &ClientCredentials{} },
			[]string{"FieldValueRequired spec.authorization.clientCredentials.clientAuthentication", "FieldValueRequired spec.authorization.clientCredentials.clientID"}},
		{"key", func(s *MCPServer) {
			s.Spec.Authorization.ClientCredentials.ClientAuthentication.PrivateKeyJWT = &PrivateKeyJWT{Algorithm: "HS256"}
		}, []string{"FieldValueNotSupported spec.authorization.clientCredentials.clientAuthentication.privateKeyJWT.algorithm",
			"FieldValueRequired spec.authorization.clientCredentials.clientAuthentication.privateKeyJWT.secretKeyRef.name"}},
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
		{"Memory without namespace", func(m *Memory) { m.Namespace = "" }, []string{"FieldValueRequired metadata.namespace"}},
	})
	config := func() *ArkConfig {
		return &ArkConfig{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: ArkConfigSpec{QueryTTL: "24h"}}
	}
	runInvalid(t, config, ValidateArkConfig, []invalidCase[ArkConfig]{
		{"second ArkConfig", func(c *ArkConfig) { c.Name = "other" }, []string{"FieldValueInvalid metadata.name"}},
		{"ArkConfig with a bad ttl", func(c *ArkConfig) { c.Spec.QueryTTL = "a day" }, []string{"FieldValueInvalid spec.queryTTL"}},
	})
	task := func() *A2ATask {
		return &A2ATask{ObjectMeta: meta("t"), Spec: A2ATaskSpec{QueryRef: QueryRef{Name: "q"}, A2AServerRef: A2AServerRef{Name: "s"}, TaskID: "1", Timeout: "12h"}}
	}
	runInvalid(t, task, ValidateA2ATask, []invalidCase[A2ATask]{
		{"empty A2ATask", func(t *A2ATask) { t.Spec = A2ATaskSpec{} }, []string{"FieldValueRequired spec.a2aServerRef.name", "FieldValueRequired spec.queryRef.name", "FieldValueRequired spec.taskId"}},
		{"A2ATask with bad times", func(t *A2ATask) { t.Spec.Timeout, t.Spec.TTL, t.Spec.PollInterval = "x", "y", "z" },
			[]string{"FieldValueInvalid spec.pollInterval", "FieldValueInvalid spec.timeout", "FieldValueInvalid spec.ttl"}},
	})
}

func TestValidateStatus(t *testing.T) {
	t.Parallel()
	condition := metav1.Condition{Type: ConditionCompleted, Status: metav1.ConditionTrue, Reason: ReasonQuerySucceeded, LastTransitionTime: metav1.Now()}
	query := func() *Query {
		return &Query{Status: QueryStatus{Phase: QueryDone, Conditions: []metav1.Condition{condition}, Response: &Response{Target: &QueryTarget{Type: TargetModel, Name: "m"}}}}
	}
	runInvalid(t, query, ValidateQueryStatus, []invalidCase[Query]{
		{"empty status", func(q *Query) { q.Status = QueryStatus{} }, nil},
		{"Query phase", func(q *Query) { q.Status.Phase = "finished" }, []string{"FieldValueNotSupported status.phase"}},
		{"Query condition", func(q *Query) { q.Status.Conditions[0].Status = "Yes" }, []string{"FieldValueNotSupported status.conditions[0].status"}},
		{"Query target", func(q *Query) { q.Status.Response.Target.Name = "" }, []string{"FieldValueRequired status.response.target.name"}},
	})
	parts := []A2APart{{Kind: A2APartText, Text: "hi"}}
	task := func() *A2ATask {
		return &A2ATask{Status: A2ATaskStatus{Phase: A2ATaskRunning, ProtocolState: A2AStateWorking,
			Artifacts: []A2AArtifact{{ArtifactID: "1", Parts: parts}}, History: []A2AMessage{{Role: A2ARoleUser, Parts: parts}},
			LastStatusMessage: &A2AMessage{Role: A2ARoleAgent, Parts: []A2APart{}}}}
	}
	runInvalid(t, task, ValidateA2ATaskStatus, []invalidCase[A2ATask]{
		{"A2ATask states", func(t *A2ATask) { t.Status.Phase, t.Status.ProtocolState = "canceled", "cancelled" }, []string{"FieldValueNotSupported status.phase", "FieldValueNotSupported status.protocolState"}},
		{"A2ATask artifact", func(t *A2ATask) { t.Status.Artifacts[0] = A2AArtifact{} }, []string{"FieldValueRequired status.artifacts[0].artifactId", "FieldValueRequired status.artifacts[0].parts"}},
		{"A2ATask history", func(t *A2ATask) { t.Status.History[0] = A2AMessage{Role: "tool", Parts: []A2APart{{}}} }, []string{"FieldValueNotSupported status.history[0].role", "FieldValueRequired status.history[0].parts[0].kind"}},
		{"A2ATask message", func(t *A2ATask) { t.Status.LastStatusMessage.Role = "" }, []string{"FieldValueRequired status.lastStatusMessage.role"}},
	})
	memory := func() *Memory { return &Memory{Status: MemoryStatus{Phase: MemoryReady}} }
	runInvalid(t, memory, ValidateMemoryStatus, []invalidCase[Memory]{
		{"Memory phase", func(m *Memory) { m.Status.Phase = "done" }, []string{"FieldValueNotSupported status.phase"}},
	})
	server := func() *MCPServer {
		return &MCPServer{Status: MCPServerStatus{Authorization: &MCPAuthorizationStatus{State: AuthorizationAuthorized}}}
	}
	runInvalid(t, server, ValidateMCPServerStatus, []invalidCase[MCPServer]{
		{"MCPServer authorization", func(s *MCPServer) { s.Status.Authorization.State = "Open" }, []string{"FieldValueNotSupported status.authorization.state"}},
	})
}
