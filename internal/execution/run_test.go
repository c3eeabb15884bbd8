package execution

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

func TestModelTarget(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	events := &eventLog{}
	r := newRunner(t, events, newModel("m", s.URL))
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi, {{ not a template }}")
	q.Spec.ConversationID = "talk-1"
	rec := &recorder{t: t}
	o := r.Run(t.Context(), q, rec)
	done(t, o, "hello")
	if *o.Response.Target != *q.Spec.Target || o.Response.Raw != `[{"role":"assistant","content":"hello"}]` || o.Response.Phase != "done" {
		t.Errorf("response %+v", o.Response)
	}
	if want := (arkv1alpha1.TokenUsage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15, CachedTokens: 4}); o.TokenUsage != want {
		t.Errorf("usage %+v, want %+v", o.TokenUsage, want)
	}
	if o.ConversationID != "talk-1" || o.Duration <= 0 {
		t.Errorf("conversation %q, duration %s", o.ConversationID, o.Duration)
	}
	c := s.seen()[0]
	if len(c.Messages) != 1 || c.Messages[0].Content != "hi, {{ not a template }}" || c.Model != "gpt-test" {
		t.Errorf("request %+v", c)
	}
	if len(rec.turns) != 1 || rec.turns[0].Kind != TurnModel || rec.turns[0].Name != "m" || rec.turns[0].PromptTokens != 10 || rec.turns[0].CompletionTokens != 5 {
		t.Fatalf("turns %+v", rec.turns)
	}
	if got := string(rec.turns[0].Request); got != `{"messages":[{"role":"user","content":"hi, {{ not a template }}"}]}` {
		t.Errorf("recorded request %s", got)
	}
	if got := events.String(); got != "Normal QueryExecutionStart Execution has begun\nNormal QueryExecutionComplete The Query was answered" {
		t.Errorf("events:\n%s", got)
	}
}

func TestInputParameters(t *testing.T) {
	t.Parallel()
	configRef := func(key string, optional *bool) *arkv1alpha1.ValueFromSource {
		return &arkv1alpha1.ValueFromSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "c"}, Key: key, Optional: optional,
		}}
	}
	tests := []struct {
		name, input string
		parameters  []arkv1alpha1.Parameter
		want        string
		err         []string
		event       string
	}{
		{name: "value and ConfigMap", input: "{{.a}} and {{ .b }}", parameters: []arkv1alpha1.Parameter{{Name: "a", Value: "1"}, {Name: "b", ValueFrom: configRef("k", nil)}}, want: "1 and config"},
		{name: "optional and absent", input: "<{{.a}}>", parameters: []arkv1alpha1.Parameter{{Name: "a", ValueFrom: configRef("x", ptr.To(true))}}, want: "<>"},
		{
			name: "not defined", input: "{{.a}} {{.missing}}", parameters: []arkv1alpha1.Parameter{{Name: "a", Value: "1"}},
			err: []string{"spec.input", `"missing"`}, event: "Warning QueryParameterResolutionFailed",
		},
		{
			name: "no key", input: "{{.a}}", parameters: []arkv1alpha1.Parameter{{Name: "a", ValueFrom: configRef("x", nil)}},
			err: []string{`parameter "a"`, `has no key "x"`}, event: "Warning QueryParameterResolutionFailed",
		},
		{name: "bad template", input: "{{.a", parameters: []arkv1alpha1.Parameter{{Name: "a", Value: "1"}}, err: []string{"template of spec.input"}},
		{
			name: "reference to nothing", input: "{{.a}}",
			parameters: []arkv1alpha1.Parameter{{Name: "a", ValueFrom: &arkv1alpha1.ValueFromSource{QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: "x"}}}},
			err:        []string{`parameter "a"`, `query parameter "x"`}, event: "Warning QueryParameterNotFound",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveModel(t, func(_ int, c chat, _ *http.Request) reply { return says(c.Messages[0].Content) })
			events := &eventLog{}
			r := newRunner(t, events, newModel("m", s.URL), &corev1.ConfigMap{ObjectMeta: object("c"), Data: map[string]string{"k": "config"}})
			q := newQuery(arkv1alpha1.TargetModel, "m", tt.input)
			q.Spec.Parameters = tt.parameters
			o := r.Run(t.Context(), q, nil)
			if tt.err == nil {
				done(t, o, tt.want)
				return
			}
			errored(t, o, tt.err...)
			if len(s.seen()) != 0 {
				t.Error("the model was called")
			}
			if !strings.Contains(events.String(), tt.event) {
				t.Errorf("events:\n%s\nwant %s", events, tt.event)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	labelled := func(o client.Object, label string) client.Object {
		o.SetLabels(map[string]string{"role": label})
		return o
	}
	agent := func(name string) *arkv1alpha1.Agent {
		return &arkv1alpha1.Agent{ObjectMeta: object(name), Spec: arkv1alpha1.AgentSpec{ModelRef: &arkv1alpha1.AgentModelRef{Name: "m"}}}
	}
	engine := agent("engine")
	engine.Spec.ExecutionEngine = &arkv1alpha1.ExecutionEngineRef{Name: "langchain"}
	elsewhere := agent("elsewhere")
	elsewhere.Spec.ModelRef.Namespace = "other"
	foreign := agent("foreign")
	foreign.Namespace = "other"
	r := newRunner(t, nil,
		labelled(newModel("m", s.URL), "both"), labelled(newModel("a-model", s.URL), "model"),
		labelled(agent("z"), "both"), labelled(agent("b"), "both"), labelled(foreign, "foreign"),
		labelled(&arkv1alpha1.Team{ObjectMeta: object("team")}, "team"), labelled(newModel("m2", s.URL), "team"),
		labelled(&arkv1alpha1.Tool{ObjectMeta: object("tool")}, "tool"), engine, elsewhere,
	)
	selector := func(label string) func(*arkv1alpha1.Query) {
		return func(q *arkv1alpha1.Query) {
			q.Spec.Target, q.Spec.Selector = nil, &metav1.LabelSelector{MatchLabels: map[string]string{"role": label}}
		}
	}
	target := func(targetType arkv1alpha1.TargetType, name string) func(*arkv1alpha1.Query) {
		return func(q *arkv1alpha1.Query) {
			q.Spec.Target = &arkv1alpha1.QueryTarget{Type: targetType, Name: name}
		}
	}
	tests := []struct {
		name   string
		change func(*arkv1alpha1.Query)
		want   arkv1alpha1.QueryTarget
		err    string
	}{
		{"agents before models, by name", selector("both"), arkv1alpha1.QueryTarget{Type: "agent", Name: "b"}, ""},
		{"model by selector", selector("model"), arkv1alpha1.QueryTarget{Type: "model", Name: "a-model"}, ""},
		{"team by selector, before models", selector("team"), arkv1alpha1.QueryTarget{Type: "team", Name: "team"}, "a target of type team is not supported"},
		{"tool by selector", selector("tool"), arkv1alpha1.QueryTarget{Type: "tool", Name: "tool"}, "a target of type tool is not supported"},
		{"nothing selected", selector("none"), arkv1alpha1.QueryTarget{}, `matches no agent, team, model or tool in namespace "ns"`},
		{"another namespace is not searched", selector("foreign"), arkv1alpha1.QueryTarget{}, "matches no agent"},
		{"neither", func(q *arkv1alpha1.Query) { q.Spec.Target = nil }, arkv1alpha1.QueryTarget{}, "neither a target nor a selector"},
		{"no such agent", target("agent", "x"), arkv1alpha1.QueryTarget{Type: "agent", Name: "x"}, `the Agent "x" does not exist in namespace "ns"`},
		{"no such model", target("model", "x"), arkv1alpha1.QueryTarget{Type: "model", Name: "x"}, `the Model "x" does not exist in namespace "ns"`},
		{"execution engine", target("agent", "engine"), arkv1alpha1.QueryTarget{Type: "agent", Name: "engine"}, "execution engines"},
		{"model of another namespace", target("agent", "elsewhere"), arkv1alpha1.QueryTarget{Type: "agent", Name: "elsewhere"}, `into namespace "other"`},
		{"serviceAccount", func(q *arkv1alpha1.Query) { q.Spec.ServiceAccount = "sa" }, arkv1alpha1.QueryTarget{Type: "model", Name: "m"}, "not supported by this server"},
		{"input is no text", func(q *arkv1alpha1.Query) { q.Spec.Input = apiextensionsv1.JSON{Raw: []byte(`[1]`)} }, arkv1alpha1.QueryTarget{Type: "model", Name: "m"}, "spec.input must be a text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
			tt.change(q)
			o := r.Run(t.Context(), q, nil)
			if tt.err == "" {
				done(t, o, "hello")
			} else {
				errored(t, o, tt.err)
			}
			var got arkv1alpha1.QueryTarget
			if o.Response.Target != nil {
				got = *o.Response.Target
			}
			if got != tt.want {
				t.Errorf("target %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	m := newModel("m", s.URL)
	m.Labels = map[string]string{"tier": "gold"}
	m.Spec.Config.OpenAI.Headers = []arkv1alpha1.Header{header("X-A", "model"), header("X-B", "model"), header("X-C", "model")}
	agent := &arkv1alpha1.Agent{ObjectMeta: object("a"), Spec: arkv1alpha1.AgentSpec{
		ModelRef: &arkv1alpha1.AgentModelRef{Name: "m"},
		Overrides: []arkv1alpha1.Override{{
			ResourceType: arkv1alpha1.OverrideModel, Headers: []arkv1alpha1.Header{header("X-B", "agent"), header("X-C", "agent")},
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}},
		}},
	}}
	q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
	q.Spec.Parameters = []arkv1alpha1.Parameter{{Name: "who", Value: "query"}}
	fromQuery := arkv1alpha1.Header{Name: "X-C", Value: arkv1alpha1.HeaderValue{ValueFrom: &arkv1alpha1.HeaderValueSource{
		QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: "who"},
	}}}
	q.Spec.Overrides = []arkv1alpha1.Override{
		{ResourceType: arkv1alpha1.OverrideModel, Headers: []arkv1alpha1.Header{fromQuery}},
		{ResourceType: arkv1alpha1.OverrideMCPServer, Headers: []arkv1alpha1.Header{header("X-A", "mcp")}},
		{
			ResourceType: arkv1alpha1.OverrideModel, Headers: []arkv1alpha1.Header{header("X-A", "silver")},
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "silver"}},
		},
	}
	done(t, newRunner(t, nil, m, agent).Run(t.Context(), q, nil), "hello")
	got := s.seen()[0].header
	for name, want := range map[string]string{"X-A": "model", "X-B": "agent", "X-C": "query"} {
		if got.Get(name) != want {
			t.Errorf("header %s = %q, want %q", name, got.Get(name), want)
		}
	}
}

func header(name, value string) arkv1alpha1.Header {
	return arkv1alpha1.Header{Name: name, Value: arkv1alpha1.HeaderValue{Value: value}}
}

func TestRecorderErrorEndsTheQuery(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	r := newRunner(t, nil, newModel("m", s.URL))
	errored(t, r.Run(t.Context(), newQuery(arkv1alpha1.TargetModel, "m", "hi"), &recorder{t: t, fail: errors.New("disk full")}), "record turn 1", "disk full")
}

// PostgreSQL stores no NUL; the Query's status, which is bytes, keeps it.
func TestNULInAnswer(t *testing.T) {
	t.Parallel()
	content := "a\x00b \\u0000 \U0001F600"
	s := script(t, says(content))
	rec := &recorder{t: t}
	done(t, newRunner(t, nil, newModel("m", s.URL)).Run(t.Context(), newQuery(arkv1alpha1.TargetModel, "m", "x\x00y"), rec), content)
	if got := string(rec.turns[0].Response); !strings.Contains(got, `a\ufffdb \\u0000 `) {
		t.Errorf("recorded response %s", got)
	}
	if got := string(rec.turns[0].Request); !strings.Contains(got, `x\ufffdy`) {
		t.Errorf("recorded request %s", got)
	}
}

func TestMemoryIsNotUsed(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	q.Spec.Memory = &arkv1alpha1.MemoryRef{Name: "diary"}
	o := newRunner(t, nil, newModel("m", s.URL)).Run(t.Context(), q, nil)
	done(t, o, "hello")
	if !strings.Contains(o.MemoryUnavailable, `memory "diary"`) {
		t.Errorf("MemoryUnavailable %q", o.MemoryUnavailable)
	}
}

// A panic ends the Query that met it, and nothing else.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	r.reader = nil
	errored(t, r.Run(t.Context(), newQuery(arkv1alpha1.TargetModel, "m", "hi"), nil), "internal error")
}
