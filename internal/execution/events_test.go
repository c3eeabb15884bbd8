package execution

import (
	"net/http"
	"strings"
	"testing"
)

// By default a Query has an Event at its start and its end, and warnings.
func TestEvents(t *testing.T) {
	t.Parallel()
	good := serveTool(t, echo)
	bad := serveTool(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	tests := []struct {
		name    string
		replies []reply
		usual   []string
		all     []string
	}{
		{"done", []reply{calls("good", "{}"), says("ok")},
			[]string{"Normal QueryExecutionStart", "Normal QueryExecutionComplete"},
			[]string{
				"Normal QueryExecutionStart", `Normal AgentExecutionStart agent "a"`,
				`Normal LLMCallStart model "default"`, `Normal LLMCallComplete model "default"`,
				`Normal ToolCallStart tool "good"`, `Normal ToolCallComplete tool "good"`,
				`Normal LLMCallStart`, `Normal LLMCallComplete`,
				`Normal AgentExecutionComplete agent "a"`, "Normal QueryExecutionComplete",
			}},
		{"failed", []reply{calls("bad", "{}"), {http.StatusUnauthorized, plantedSecret}},
			[]string{"Normal QueryExecutionStart", "Warning ToolCallError", "Warning ModelUnavailable", "Warning QueryExecutionError"},
			[]string{
				"Normal QueryExecutionStart", `Normal AgentExecutionStart agent "a"`,
				`Normal LLMCallStart`, `Normal LLMCallComplete`,
				`Normal ToolCallStart tool "bad"`, `Warning ToolCallError tool "bad": HTTP 500`,
				`Normal LLMCallStart`, `Warning LLMCallError model "default"`, "Warning ModelUnavailable",
				`Warning AgentExecutionError agent "a"`, "Warning QueryExecutionError",
			}},
	}
	for _, tt := range tests {
		for _, all := range []bool{false, true} {
			want := tt.usual
			if all {
				want = tt.all
			}
			s, events := script(t, tt.replies...), &eventLog{}
			r := newRunner(t, events, newModel("default", s.URL), newAgent(withTools(uses("good"), uses("bad"))), newTool("good", good.URL), newTool("bad", bad.URL))
			r.allEvents = all
			ask(t, r, nil)
			got := strings.Split(events.String(), "\n")
			if len(got) != len(want) {
				t.Errorf("%s, all %t: %d events, want %d:\n%s", tt.name, all, len(got), len(want), events)
				continue
			}
			for i, line := range got {
				if !strings.HasPrefix(line, want[i]) || strings.Contains(line, plantedSecret) {
					t.Errorf("%s, all %t: event %q, want %q", tt.name, all, line, want[i])
				}
			}
		}
	}
}
