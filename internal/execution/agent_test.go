package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

func newAgent(change ...func(*arkv1alpha1.AgentSpec)) *arkv1alpha1.Agent {
	a := &arkv1alpha1.Agent{ObjectMeta: object("a"), Spec: arkv1alpha1.AgentSpec{Prompt: "Be brief."}}
	for _, f := range change {
		f(&a.Spec)
	}
	return a
}

func withTools(entries ...arkv1alpha1.AgentTool) func(*arkv1alpha1.AgentSpec) {
	return func(s *arkv1alpha1.AgentSpec) { s.Tools = entries }
}

func uses(name string) arkv1alpha1.AgentTool {
	return arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolHTTP, Name: name}
}

var terminate = arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolBuiltIn, Name: arkv1alpha1.BuiltinTerminate}

func newTool(name, address string, change ...func(*arkv1alpha1.ToolSpec)) *arkv1alpha1.Tool {
	tool := &arkv1alpha1.Tool{ObjectMeta: object(name), Spec: arkv1alpha1.ToolSpec{
		Type: arkv1alpha1.ToolHTTP, Description: "does " + name,
		InputSchema: &runtime.RawExtension{Raw: []byte(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)},
		HTTP:        &arkv1alpha1.HTTPSpec{URL: address},
	}}
	for _, f := range change {
		f(&tool.Spec)
	}
	return tool
}

func ask(t *testing.T, r *Runner, rec Recorder) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // Far above what any test needs.
	defer cancel()
	return r.Run(ctx, newQuery(arkv1alpha1.TargetAgent, "a", "hi"), rec)
}

func TestAgentToolLoop(t *testing.T) {
	t.Parallel()
	weather := serveTool(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "sunny in %s", r.URL.Query().Get("city"))
	})
	s := script(t, calls("weather", `{"city":"São Paulo & more"}`), says("It is sunny."))
	rec := &recorder{t: t}
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("weather"))), newTool("weather", weather.URL+"/?city={city}"))
	o := ask(t, r, rec)
	done(t, o, "It is sunny.")
	if o.TokenUsage.TotalTokens != 30 || o.TokenUsage.CachedTokens != 8 {
		t.Errorf("usage %+v, want that of two turns", o.TokenUsage)
	}
	first, second := s.seen()[0], s.seen()[1]
	wantFirst := []model.Message{{Role: model.RoleSystem, Content: "Be brief."}, {Role: model.RoleUser, Content: "hi"}}
	if !reflect.DeepEqual(first.Messages, wantFirst) {
		t.Errorf("first request %+v", first.Messages)
	}
	if f := first.Tools[0].Function; len(first.Tools) != 1 || f.Name != "weather" || f.Description != "does weather" || f.Parameters["required"] == nil {
		t.Errorf("tools %+v", first.Tools)
	}
	made := []model.Message{
		{Role: model.RoleAssistant, ToolCalls: []model.ToolCall{{ID: "call-0", Type: "function", Function: model.FunctionCall{Name: "weather", Arguments: `{"city":"São Paulo & more"}`}}}},
		{Role: model.RoleTool, ToolCallID: "call-0", Content: "sunny in São Paulo & more"},
	}
	if !reflect.DeepEqual(second.Messages, append(wantFirst, made...)) {
		t.Errorf("second request %+v", second.Messages)
	}
	var raw []model.Message
	if err := json.Unmarshal([]byte(o.Response.Raw), &raw); err != nil {
		t.Fatal(err)
	}
	if want := append(made, model.Message{Role: model.RoleAssistant, Content: "It is sunny."}); !reflect.DeepEqual(raw, want) {
		t.Errorf("raw %s", o.Response.Raw)
	}
	checkTurns(t, rec.turns)
}

// checkTurns checks the record of TestAgentToolLoop.
func checkTurns(t *testing.T, turns []Turn) {
	t.Helper()
	var kinds []string
	for _, turn := range turns {
		kinds = append(kinds, turn.Kind+" "+turn.Name)
	}
	if !reflect.DeepEqual(kinds, []string{"model default", "tool weather", "model default"}) {
		t.Fatalf("turns %v", kinds)
	}
	if got := string(turns[1].Response); got != `{"result":"sunny in São Paulo \u0026 more"}` {
		t.Errorf("recorded result %s", got)
	}
	var last sent
	if err := json.Unmarshal(turns[2].Request, &last); err != nil {
		t.Fatal(err)
	}
	// The answer before stands in the response of the first turn.
	if len(last.Messages) != 1 || last.Messages[0].Role != model.RoleTool {
		t.Errorf("the last turn records %s, want only what is new", turns[2].Request)
	}
}

func TestAgentPrompt(t *testing.T) {
	t.Parallel()
	fromQuery := &arkv1alpha1.ValueFromSource{QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: "name"}}
	tests := []struct {
		name   string
		change func(*arkv1alpha1.AgentSpec)
		want   string
		err    []string
	}{
		{"no parameters, braces", func(s *arkv1alpha1.AgentSpec) { s.Prompt = "{{ as it is }}" }, "{{ as it is }}", nil},
		{"own and the Query's parameters", func(s *arkv1alpha1.AgentSpec) {
			s.Prompt = "You are {{.me}}, {{.mood}}."
			s.Parameters = []arkv1alpha1.Parameter{{Name: "me", ValueFrom: fromQuery}, {Name: "mood", Value: "kind"}}
		}, "You are Ada, kind.", nil},
		{"the Query's parameters are not the agent's", func(s *arkv1alpha1.AgentSpec) {
			s.Prompt = "You are {{.name}}."
			s.Parameters = []arkv1alpha1.Parameter{{Name: "mood", Value: "kind"}}
		}, "", []string{`agent "a"`, "prompt", `"name"`}},
		{"unresolvable", func(s *arkv1alpha1.AgentSpec) {
			s.Parameters = []arkv1alpha1.Parameter{{Name: "me", ValueFrom: &arkv1alpha1.ValueFromSource{QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: "x"}}}}
		}, "", []string{`agent "a"`, `parameter "me"`, `query parameter "x"`}},
		{"none", func(s *arkv1alpha1.AgentSpec) { s.Prompt = "" }, "hi", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveModel(t, func(_ int, c chat, _ *http.Request) reply { return says(c.Messages[0].Content) })
			r := newRunner(t, nil, newModel("default", s.URL), newAgent(tt.change))
			q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
			q.Spec.Parameters = []arkv1alpha1.Parameter{{Name: "name", Value: "Ada"}}
			o := r.Run(t.Context(), q, nil)
			if tt.err != nil {
				errored(t, o, tt.err...)
				return
			}
			done(t, o, tt.want)
		})
	}
}

func TestOutputSchema(t *testing.T) {
	t.Parallel()
	s := script(t, says("{}"))
	agent := newAgent(func(s *arkv1alpha1.AgentSpec) {
		s.OutputSchema = &runtime.RawExtension{Raw: []byte(`{"type":"object","properties":{"summary":{"type":"string"}}}`)}
	})
	agent.Name = strings.Repeat("long.name", 10)
	r := newRunner(t, nil, newModel("default", s.URL), agent)
	done(t, r.Run(t.Context(), newQuery(arkv1alpha1.TargetAgent, agent.Name, "hi"), nil), "{}")
	want := map[string]any{"type": "json_schema", "json_schema": map[string]any{
		"name":   ("namespace-ns-agent-" + strings.Repeat("long_name", 10))[:64],
		"schema": map[string]any{"type": "object", "properties": map[string]any{"summary": map[string]any{"type": "string"}}},
	}}
	if got := s.seen()[0].ResponseFormat; !reflect.DeepEqual(got, want) {
		t.Errorf("response_format %v, want %v", got, want)
	}
}

// The calls of one turn run concurrently: each waits for the other. Their results
// stand in the order of the calls.
func TestCallsAreConcurrentAndOrdered(t *testing.T) {
	t.Parallel()
	arrived := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
	tool := serveTool(t, func(w http.ResponseWriter, r *http.Request) {
		me, other := r.URL.Query().Get("city"), map[string]string{"a": "b", "b": "a"}[r.URL.Query().Get("city")]
		close(arrived[me])
		select {
		case <-arrived[other]:
		case <-r.Context().Done():
		}
		_, _ = fmt.Fprint(w, "result "+me)
	})
	s := script(t, calls("t", `{"city":"a"}`, "t", `{"city":"b"}`), says("ok"))
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("t"))), newTool("t", tool.URL+"/?city={city}"))
	done(t, ask(t, r, nil), "ok")
	var results []string
	for _, m := range s.seen()[1].Messages[3:] {
		results = append(results, m.ToolCallID+" "+m.Content)
	}
	if !reflect.DeepEqual(results, []string{"call-0 result a", "call-1 result b"}) {
		t.Errorf("results %v", results)
	}
}

func TestTurnsAreBounded(t *testing.T) {
	t.Parallel()
	s := script(t, calls("noop", `{"message":"again"}`))
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolBuiltIn, Name: "noop"})))
	r.maxTurns = 7
	errored(t, ask(t, r, nil), "no answer after 7 turns")
	if n := len(s.seen()); n != 7 {
		t.Errorf("%d turns", n)
	}
}

func TestTooManyCallsInOneTurn(t *testing.T) {
	t.Parallel()
	var many []string
	for range maxCallsPerTurn + 5 {
		many = append(many, "noop", "{}")
	}
	s := script(t, calls(many...), says("ok"))
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolBuiltIn, Name: "noop"})))
	done(t, ask(t, r, nil), "ok")
	messages := s.seen()[1].Messages
	if last := messages[len(messages)-1].Content; !strings.Contains(last, "more than 128 calls") {
		t.Errorf("last result %q", last)
	}
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	both := message(model.Message{Role: model.RoleAssistant, Content: "said before", ToolCalls: []model.ToolCall{
		{ID: "1", Type: "function", Function: model.FunctionCall{Name: "terminate", Arguments: `{}`}},
	}})
	for name, tt := range map[string]struct {
		reply reply
		want  string
	}{
		"with a response":    {calls("terminate", `{"response":"The end."}`), "The end."},
		"without a response": {both, "said before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, tt.reply)
			o := ask(t, newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(terminate))), nil)
			done(t, o, tt.want)
			if n := len(s.seen()); n != 1 {
				t.Errorf("%d turns after the end", n)
			}
		})
	}
}

func TestBuiltinTools(t *testing.T) {
	t.Parallel()
	noop := &arkv1alpha1.Tool{ObjectMeta: object("wait"), Spec: arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolBuiltin, Builtin: &arkv1alpha1.BuiltinToolRef{Name: "noop"}}}
	entries := []arkv1alpha1.AgentTool{
		{Type: arkv1alpha1.AgentToolBuiltin, Name: "wait"},
		{Type: arkv1alpha1.AgentToolBuiltin, Name: "noop"},
		{Type: arkv1alpha1.AgentToolCustom, Name: "weather.v1", Description: "the agent's own words"},
	}
	s := script(t, calls("wait", `{"message":"pong"}`, "noop", ""), says("ok"))
	tool := newTool("weather.v1", "http://127.0.0.1/")
	tool.Spec.InputSchema = nil
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(entries...)), noop, tool)
	done(t, ask(t, r, nil), "ok")
	got := s.seen()
	if m := got[1].Messages; m[3].Content != "pong" || m[4].Content != "done" {
		t.Errorf("results %+v", m[3:])
	}
	if f := got[0].Tools[2].Function; f.Name != "weather_v1" || f.Description != "the agent's own words" || f.Parameters["type"] != "object" {
		t.Errorf("tool %+v", f)
	}
}

func TestUnsupportedTools(t *testing.T) {
	t.Parallel()
	approval := &arkv1alpha1.ToolApprovalConfig{Required: true}
	with := func(spec arkv1alpha1.ToolSpec) *arkv1alpha1.Tool {
		return &arkv1alpha1.Tool{ObjectMeta: object("t"), Spec: spec}
	}
	tests := []struct {
		name  string
		entry arkv1alpha1.AgentTool
		tool  client.Object
		want  string
	}{
		{"mcp", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolMCP}), "tools of type mcp are not supported"},
		{"agent", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolAgent}), "tools of type agent are not supported"},
		{"team", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolTeam}), "tools of type team are not supported"},
		{"inline", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolInline}), "tools of type inline are not supported"},
		{"missing", uses("x"), nil, `the Tool "x" does not exist in namespace "ns"`},
		{"no http block", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolHTTP}), "no http block"},
		{"no builtin block", uses("t"), with(arkv1alpha1.ToolSpec{Type: arkv1alpha1.ToolBuiltin}), "no builtin block"},
		{"unknown builtin", arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolBuiltIn, Name: "x"}, nil, `no builtin tool "x"`},
		{"functions", arkv1alpha1.AgentTool{Type: "http", Name: "t", Functions: []arkv1alpha1.ToolFunction{{Name: "jq", Value: "."}}}, newTool("t", "http://x/"), "functions are not supported"},
		{"approval by the agent", arkv1alpha1.AgentTool{Type: "http", Name: "t", Approval: approval}, newTool("t", "http://x/"), "approval are not supported"},
		{"approval by the Tool", uses("t"), newTool("t", "http://x/", func(s *arkv1alpha1.ToolSpec) { s.Approval = approval }), "approval are not supported"},
		{"host from an argument", uses("t"), newTool("t", "https://{host}.example.com/x"), "host must not contain"},
		{"no URL", uses("t"), newTool("t", "ftp://example.com"), "not an http or https URL"},
		{"no host", uses("t"), newTool("t", "http:///x"), "names no host"},
		{"bad body", uses("t"), newTool("t", "http://x/", func(s *arkv1alpha1.ToolSpec) { s.HTTP.Body = "{{.input" }), "template of http.body"},
		{"bad timeout", uses("t"), newTool("t", "http://x/", func(s *arkv1alpha1.ToolSpec) { s.HTTP.Timeout = "soon" }), `"soon" is not a time`},
		{"bad schema", uses("t"), newTool("t", "http://x/", func(s *arkv1alpha1.ToolSpec) { s.InputSchema.Raw = []byte(`[]`) }), "inputSchema is not a JSON object"},
		{"missing header", uses("t"), newTool("t", "http://x/", func(s *arkv1alpha1.ToolSpec) {
			s.HTTP.Headers = []arkv1alpha1.Header{{Name: "X", Value: arkv1alpha1.HeaderValue{ValueFrom: &arkv1alpha1.HeaderValueSource{
				QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: "none"},
			}}}}
		}), `header "X"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := script(t, says("never"))
			objects := []client.Object{newModel("default", s.URL), newAgent(withTools(tt.entry))}
			if tt.tool != nil {
				objects = append(objects, tt.tool)
			}
			errored(t, ask(t, newRunner(t, nil, objects...), nil), `agent "a": tools[0]`, tt.want)
			if len(s.seen()) != 0 {
				t.Error("the model was asked although a tool is broken")
			}
		})
	}
	s := script(t, says("never"))
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("t.1"), uses("t_1"))), newTool("t.1", "http://x/"), newTool("t_1", "http://x/"))
	errored(t, ask(t, r, nil), `two tools are called "t_1"`)
}
