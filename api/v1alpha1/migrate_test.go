package v1alpha1

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestMigrateAgent(t *testing.T) {
	t.Parallel()
	remote := metav1.ObjectMeta{Annotations: map[string]string{AnnotationA2AServerName: "weather"}}
	other := &AgentModelRef{Name: "other"}
	stale := metav1.ObjectMeta{Annotations: map[string]string{AnnotationMigrationToolTypeCustom: "old"}}
	tests := []struct {
		name    string
		agent   Agent
		changed bool
		model   string
		warning string
	}{
		{"no model", Agent{}, true, "default", ""},
		{"own model", Agent{Spec: AgentSpec{ModelRef: other}}, false, "other", ""},
		{"on an A2AServer", Agent{ObjectMeta: remote}, false, "", ""},
		{"custom tool", Agent{Spec: AgentSpec{ModelRef: other, Tools: []AgentTool{{Type: AgentToolCustom, Name: "get-forecast"}}}}, true, "other", "get-forecast"},
		{"custom tool gone", Agent{ObjectMeta: stale, Spec: AgentSpec{ModelRef: other}}, true, "other", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := tt.agent.DeepCopy()
			if got := MigrateAgent(a); got != tt.changed {
				t.Errorf("changed = %t, want %t", got, tt.changed)
			}
			if got := ptr.Deref(a.Spec.ModelRef, AgentModelRef{}).Name; got != tt.model {
				t.Errorf("model = %q, want %q", got, tt.model)
			}
			checkWarning(t, a, tt.warning)
			if MigrateAgent(a) {
				t.Error("a second migration changed something")
			}
		})
	}
}

func TestMigrateModel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		spec     ModelSpec
		changed  bool
		typ      ModelType
		provider ModelProvider
		warning  string
	}{
		{"azure as type", ModelSpec{Type: ModelTypeAzure}, true, ModelTypeCompletions, ProviderAzure, "azure"},
		{"openai as type", ModelSpec{Type: ModelTypeOpenAI}, true, ModelTypeCompletions, ProviderOpenAI, "openai"},
		{"bedrock as type", ModelSpec{Type: ModelTypeBedrock}, true, ModelTypeCompletions, ProviderBedrock, "bedrock"},
		{"applied again", ModelSpec{Type: ModelTypeAzure, Provider: ProviderAzure}, true, ModelTypeCompletions, ProviderAzure, "azure"},
		{"two providers", ModelSpec{Type: ModelTypeAzure, Provider: ProviderOpenAI}, false, ModelTypeAzure, ProviderOpenAI, ""},
		{"new shape", ModelSpec{Type: ModelTypeCompletions, Provider: ProviderOpenAI}, false, ModelTypeCompletions, ProviderOpenAI, ""},
		{"neither", ModelSpec{Type: ModelTypeCompletions}, false, ModelTypeCompletions, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &Model{Spec: tt.spec}
			if got := MigrateModel(m); got != tt.changed {
				t.Errorf("changed = %t, want %t", got, tt.changed)
			}
			if m.Spec.Type != tt.typ || m.Spec.Provider != tt.provider {
				t.Errorf("type, provider = %q, %q, want %q, %q", m.Spec.Type, m.Spec.Provider, tt.typ, tt.provider)
			}
			checkWarning(t, m, tt.warning)
		})
	}
}

func TestMigrateQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		typ     QueryType
		input   string
		changed bool
		want    string
	}{
		{"text", QueryTypeUser, `"hi"`, false, `"hi"`},
		{"first user text", QueryTypeMessages, `[{"role":"system","content":"be kind"},{"role":"user","content":"hi \"you\""},{"role":"user","content":"there"}]`, true, `"hi \"you\""`},
		{"parts", QueryTypeMessages, `[{"role":"user","content":[{"type":"image_url","image_url":{}},{"type":"text","text":"what is it?"}]}]`, true, `"what is it?"`},
		{"empty first", QueryTypeMessages, `[{"role":"user","content":""},{"role":"user","content":"there"}]`, true, `"there"`},
		{"no user", QueryTypeMessages, `[{"role":"system","content":"be kind"}]`, false, `[{"role":"system","content":"be kind"}]`},
		{"no list", QueryTypeMessages, `"hi"`, false, `"hi"`},
		{"nothing", QueryTypeMessages, ``, false, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := &Query{Spec: QuerySpec{Type: tt.typ, Input: apiextensionsv1.JSON{Raw: []byte(tt.input)}}}
			if got := MigrateQuery(q); got != tt.changed {
				t.Errorf("changed = %t, want %t", got, tt.changed)
			}
			if got := string(q.Spec.Input.Raw); got != tt.want {
				t.Errorf("input = %s, want %s", got, tt.want)
			}
			if tt.changed && q.Spec.Type != QueryTypeUser {
				t.Errorf("type = %q, want user", q.Spec.Type)
			}
			warning := ""
			if tt.changed {
				warning = "messages is deprecated"
			}
			checkWarning(t, q, warning)
		})
	}
}

func TestMigrateTeam(t *testing.T) {
	t.Parallel()
	edges := &TeamGraphSpec{Edges: []TeamGraphEdge{{From: "a", To: "b"}}}
	tests := []struct {
		name    string
		spec    TeamSpec
		want    TeamSpec
		warning string
	}{
		{"sequential", TeamSpec{Strategy: StrategySequential}, TeamSpec{Strategy: StrategySequential}, ""},
		{"selector with graph", TeamSpec{Strategy: StrategySelector, Graph: edges}, TeamSpec{Strategy: StrategySelector, Graph: edges}, ""},
		{"round-robin", TeamSpec{Strategy: StrategyRoundRobin}, TeamSpec{Strategy: StrategySequential}, "round-robin"},
		{"round-robin with turns", TeamSpec{Strategy: StrategyRoundRobin, MaxTurns: ptr.To[int32](3)}, TeamSpec{Strategy: StrategySequential, Loops: true, MaxTurns: ptr.To[int32](3)}, "loops: true"},
		{"graph", TeamSpec{Strategy: StrategyGraph, Graph: edges, MaxTurns: ptr.To[int32](3)}, TeamSpec{Strategy: StrategySequential}, "graph is deprecated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			team := &Team{Spec: *tt.spec.DeepCopy()}
			if got, want := MigrateTeam(team), tt.warning != ""; got != want {
				t.Errorf("changed = %t, want %t", got, want)
			}
			if diff := cmp.Diff(tt.want, team.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			checkWarning(t, team, tt.warning)
		})
	}
}

// checkWarning checks that obj has no warning, or exactly one, which contains want.
func checkWarning(t *testing.T, obj metav1.Object, want string) {
	t.Helper()
	got := MigrationWarnings(obj)
	if want == "" && len(got) > 0 {
		t.Errorf("unexpected warnings: %q", got)
	}
	if want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
		t.Errorf("warnings = %q, want one with %q", got, want)
	}
}
