package execution

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
)

func serveTool(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// toolResult has an agent call a tool once and returns what the model was given.
func toolResult(t *testing.T, tool *arkv1alpha1.Tool, arguments string) string {
	t.Helper()
	s := script(t, calls(tool.Name, arguments), says("ok"))
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses(tool.Name))), tool)
	done(t, ask(t, r, &recorder{t: t}), "ok")
	messages := s.seen()[1].Messages
	return messages[len(messages)-1].Content
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %s %s|%s|%s", r.Method, r.URL.RequestURI(), body, r.Header.Get("X-Plain"), r.Header.Get("Content-Type"))
}

func TestHTTPToolRequests(t *testing.T) {
	t.Parallel()
	s := serveTool(t, echo)
	post := func(body string) func(*arkv1alpha1.ToolSpec) {
		return func(spec *arkv1alpha1.ToolSpec) {
			spec.HTTP.Method, spec.HTTP.Body = arkv1alpha1.MethodPost, body
			spec.HTTP.Headers = []arkv1alpha1.Header{header("X-Plain", "plain"), header("Content-Type", "application/json")}
			spec.HTTP.BodyParameters = []arkv1alpha1.Parameter{{Name: "system", Value: "Ark"}}
		}
	}
	tests := []struct {
		name      string
		tool      *arkv1alpha1.Tool
		arguments string
		want      string
	}{
		{"path and query are escaped", newTool("t", s.URL+"/{a}/x?q={b}&n=1"), `{"a":"x/y?z","b":"1&2=3"}`, "GET /x%2Fy%3Fz/x?q=1%262%3D3&n=1 ||"},
		{"large numbers, truth values, objects", newTool("t", s.URL+"/{n}/{b}?o={o}"), `{"n":12345678,"b":true,"o":{"k":1}}`, "GET /12345678/true?o=%7B%22k%22%3A1%7D ||"},
		{"missing argument", newTool("t", s.URL+"/{a}"), `{}`, `Error: the argument "a" is missing`},
		{"climbing argument", newTool("t", s.URL+"/x/{a}/y"), `{"a":".."}`, `Error: the argument "a" must not be ".."`},
		{"braces that are no placeholder", newTool("t", s.URL+"/?f={}&g={1}"), `{}`, "GET /?f={}&g={1} ||"},
		{"body", newTool("t", s.URL, post(`{"c":"{{.input.city}}","s":"{{.system}}","n":{{.input.n}}}`)), `{"city":"Rome","n":12345678}`, `POST / {"c":"Rome","s":"Ark","n":12345678}|plain|application/json`},
		{"body lacks an argument", newTool("t", s.URL, post(`{{.input.none}}`)), `{"city":"Rome"}`, `map has no entry for key "none"`},
		{"arguments are no object", newTool("t", s.URL), `[1]`, "Error: the arguments are not a JSON object"},
		{"arguments are no JSON", newTool("t", s.URL), `{"a":`, "Error: the arguments are not a JSON object"},
		{"arguments are followed by something", newTool("t", s.URL), `{} {}`, "something follows it"},
		{"no arguments", newTool("t", s.URL), "", "GET / ||"},
		{"null", newTool("t", s.URL), "null", "GET / ||"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := toolResult(t, tt.tool, tt.arguments); !strings.Contains(got, tt.want) {
				t.Errorf("result %q, want %q", got, tt.want)
			}
		})
	}
}

// Arguments that a model may leave out are empty to the template; all others must
// be there.
func TestOptionalArgumentsInBody(t *testing.T) {
	t.Parallel()
	s := serveTool(t, echo)
	const schema = `{"type":"object","required":["city"],"properties":{"city":{"type":"string"},"text":{"type":"string"},"count":{"type":"integer"},
		"flag":{"type":"boolean"},"list":{"type":"array"},"map":{"type":"object"},"any":{},"either":{"type":["string","null"]},"yes":true}}`
	tests := []struct{ name, body, arguments, want string }{
		{"condition", "{{if .input.text}}text{{else}}none{{end}}", `{"city":"Rome"}`, "POST / none|"},
		{"given", "{{if .input.text}}{{.input.text}}{{end}}{{.input.count}}", `{"city":"Rome","text":"t","count":3}`, "POST / t3|"},
		{"printed", "<{{.input.text}}{{.input.count}}{{.input.any}}{{.input.either}}{{.input.yes}}>", `{"city":"Rome"}`, "POST / <>|"},
		{"null", "<{{.input.text}}>", `{"city":"Rome","text":null}`, "POST / <>|"},
		{"compared", "{{if eq .input.text `x`}}x{{else}}other{{end}}", `{"city":"Rome"}`, "POST / other|"},
		{"truth value", "{{.input.flag}}", `{"city":"Rome"}`, "POST / false|"},
		{"list", "[{{range .input.list}}{{.}}{{end}}]{{len .input.map}}", `{"city":"Rome"}`, "POST / []0|"},
		{"required", "{{.input.city}}", `{}`, `map has no entry for key "city"`},
		{"not in the schema", "{{.input.citty}}", `{"city":"Rome"}`, `map has no entry for key "citty"`},
		{"parameter", "{{.none}}", `{"city":"Rome"}`, `map has no entry for key "none"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tool := newTool("t", s.URL, func(spec *arkv1alpha1.ToolSpec) {
				spec.InputSchema.Raw = []byte(schema)
				spec.HTTP.Method, spec.HTTP.Body = arkv1alpha1.MethodPost, tt.body
			})
			if got := toolResult(t, tool, tt.arguments); !strings.Contains(got, tt.want) {
				t.Errorf("result %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHTTPToolAnswers(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) *arkv1alpha1.Tool {
		s := serveTool(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
		return newTool("t", s.URL)
	}
	large := strings.Repeat("é", maxToolResult) // Two bytes each: 2 MiB, cut between them.
	tests := []struct {
		name string
		tool *arkv1alpha1.Tool
		want string
	}{
		{"created", answer(http.StatusCreated, "made"), "made"},
		{"empty", answer(http.StatusNoContent, ""), ""},
		{"not found", answer(http.StatusNotFound, "no such city"), "Error: HTTP 404 Not Found: no such city"},
		{"server error", answer(http.StatusInternalServerError, strings.Repeat("x", 100_000)), "Error: HTTP 500 Internal Server Error: xxx"},
		{"not UTF-8", answer(http.StatusOK, "a\xffb"), "a\uFFFDb"},
		{"NUL", answer(http.StatusOK, "a\x00b"), "a\x00b"},
		{"large", answer(http.StatusOK, large), "\n[cut: the answer is larger than 1048576 bytes]"},
		{"unreachable", newTool("t", "http://127.0.0.1:1/"), "connection refused"},
		{"refused", newTool("t", "http://169.254.169.254/latest"), "refused by the egress policy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := toolResult(t, tt.tool, "{}")
			if !strings.Contains(got, tt.want) {
				t.Errorf("result %.200q, want %q", got, tt.want)
			}
			if !utf8.ValidString(got) || len(got) > maxToolResult+100 {
				t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
			}
		})
	}
}

// Many large results in one turn are cut together, before they fill the memory.
func TestResultsOfOneTurn(t *testing.T) {
	t.Parallel()
	tool := serveTool(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("é", maxToolResult/2))
	})
	var all []string
	for range 20 { // More than fit.
		all = append(all, "t", "{}")
	}
	s := script(t, calls(all...), says("ok"))
	done(t, ask(t, newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("t"))), newTool("t", tool.URL)), nil), "ok")
	size, marked := 0, 0
	for _, m := range s.seen()[1].Messages {
		size += len(m.Content)
		if strings.Contains(m.Content, "[cut: the results of one turn are larger than 8388608 bytes together]") {
			marked++
		}
		if !utf8.ValidString(m.Content) {
			t.Error("a result is cut within a character")
		}
	}
	if size < maxTurnResults || size > maxTurnResults+20*100 || marked != 12 {
		t.Errorf("%d bytes, %d results are marked", size, marked)
	}
}

func TestHTTPToolTimeout(t *testing.T) {
	t.Parallel()
	s := serveTool(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	got := toolResult(t, newTool("t", s.URL, func(spec *arkv1alpha1.ToolSpec) { spec.HTTP.Timeout = "1" }), "{}")
	if got != "Error: no answer within 1s" {
		t.Errorf("result %q", got)
	}
}

func TestToolTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 30 * time.Second, "10": 10 * time.Second, "30s": 30 * time.Second, "2m": 2 * time.Minute, "1h": time.Hour} {
		if got, err := toolTimeout(text); err != nil || got != want {
			t.Errorf("toolTimeout(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
}

// A tool that only fails ends the Query, but one that fails now and then does not.
func TestRepeatedFailure(t *testing.T) {
	t.Parallel()
	bad := newTool("bad", "http://127.0.0.1:1/")
	var hits atomic.Int32
	flaky := serveTool(t, func(w http.ResponseWriter, _ *http.Request) {
		if hits.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := script(t, calls("bad", "{}", "bad", "{}"))
	events := &eventLog{}
	r := newRunner(t, events, newModel("default", s.URL), newAgent(withTools(uses("bad"))), bad)
	errored(t, ask(t, r, nil), `tool "bad" failed 3 times in a row`, "connection refused")
	if n := len(s.seen()); n != 3 {
		t.Errorf("%d turns, want 3", n)
	}
	if !strings.Contains(events.String(), `Warning ToolCallError tool "bad"`) {
		t.Errorf("events:\n%s", events)
	}

	s = script(t, calls("flaky", "{}"), calls("flaky", "{}"), calls("flaky", "{}"), calls("flaky", "{}"), calls("flaky", "{}"), says("ok"))
	r = newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("flaky"))), newTool("flaky", flaky.URL))
	done(t, ask(t, r, nil), "ok")

	// A turn with a success in it counts for nothing.
	fail, succeed := `{"city":"fail"}`, `{"city":"ok"}`
	mixed := serveTool(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s = script(t, calls("mixed", succeed, "mixed", fail), calls("mixed", fail), calls("mixed", fail), says("ok"))
	r = newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("mixed"))), newTool("mixed", mixed.URL+"/{city}"))
	done(t, ask(t, r, nil), "ok")

	s = script(t, calls("invented", "{}"))
	r = newRunner(t, nil, newModel("default", s.URL), newAgent())
	errored(t, ask(t, r, nil), `there is no tool called "invented"`)
}

// The strictest policy is the default.
func TestDefaultPolicyRefusesLoopback(t *testing.T) {
	t.Parallel()
	s := script(t, says("never"))
	r := New(Options{Reader: reader(t, newModel("m", s.URL))})
	o := r.Run(t.Context(), newQuery(arkv1alpha1.TargetModel, "m", "hi"), nil)
	errored(t, o, egress.ErrRefused.Error(), "loopback")
	if len(s.seen()) != 0 {
		t.Error("the request reached the server")
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	s := serveTool(t, echo)
	schema := &runtime.RawExtension{Raw: []byte(`{"type":"object","required":["city","units","count"],"properties":{
		"city":{"type":"string"},"units":{"type":"string"},"count":{"type":"integer"},"country":{"type":"string"},"free":{"type":"string"}}}`)}
	tool := func(name string) *arkv1alpha1.Tool {
		return newTool(name, s.URL+"/{city}/{units}/{count}/{free}", func(spec *arkv1alpha1.ToolSpec) { spec.InputSchema = schema })
	}
	partial := func(name string) *arkv1alpha1.ToolPartial {
		return &arkv1alpha1.ToolPartial{Name: name, Parameters: []arkv1alpha1.ToolFunction{
			{Name: "city", Value: "{{ .Query.city }}"}, {Name: "units", Value: "metric"}, {Name: "count", Value: "3"}, {Name: "country", Value: "nil"},
		}}
	}
	tests := map[string]struct {
		entry arkv1alpha1.AgentTool
		tool  string
		shown string
	}{
		"name is the Tool, partial.name is shown": {arkv1alpha1.AgentTool{Type: "http", Name: "real", Partial: partial("shown")}, "real", "shown"},
		"partial.name is the Tool, name is shown": {arkv1alpha1.AgentTool{Type: "http", Name: "shown", Partial: partial("real")}, "real", "shown"},
		"no other name": {arkv1alpha1.AgentTool{Type: "http", Name: "real", Partial: partial("")}, "real", "real"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := script(t, calls(tt.shown, `{"free":"f","city":"ignored"}`), says("ok"))
			r := newRunner(t, nil, newModel("default", m.URL), newAgent(withTools(tt.entry)), tool(tt.tool))
			q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
			q.Spec.Parameters = []arkv1alpha1.Parameter{{Name: "city", Value: "Los Angeles"}}
			done(t, r.Run(t.Context(), q, nil), "ok")
			if got := m.seen()[1].Messages[3].Content; got != "GET /Los%20Angeles/metric/3/f ||" {
				t.Errorf("result %q", got)
			}
			parameters := m.seen()[0].Tools[0].Function.Parameters
			properties, _ := parameters["properties"].(map[string]any)
			if len(properties) != 1 || properties["free"] == nil || parameters["required"] != nil {
				t.Errorf("the model sees %v", parameters)
			}
		})
	}
	m := script(t, says("never"))
	bad := partial("")
	bad.Parameters = []arkv1alpha1.ToolFunction{{Name: "count", Value: "many"}}
	r := newRunner(t, nil, newModel("default", m.URL), newAgent(withTools(arkv1alpha1.AgentTool{Type: "http", Name: "real", Partial: bad})), tool("real"))
	errored(t, ask(t, r, nil), `parameter "count": "many" is not a number`)
}
