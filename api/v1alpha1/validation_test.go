package v1alpha1

import (
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// invalidCase is a change of a valid object and the errors that it leads to, each
// written as "type field".
type invalidCase[T any] struct {
	name   string
	change func(*T)
	want   []string
}

// runInvalid checks that the object that newValid makes is valid, and that each
// case leads to just the errors that it names.
func runInvalid[T any](t *testing.T, newValid func() *T, validate func(*T) field.ErrorList, cases []invalidCase[T]) {
	t.Helper()
	if errs := validate(newValid()); len(errs) > 0 {
		t.Fatalf("the valid object is refused: %v", errs)
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			obj := newValid()
			tt.change(obj)
			got := []string{}
			for _, err := range validate(obj) {
				got = append(got, string(err.Type)+" "+err.Field)
			}
			sort.Strings(got)
			sort.Strings(tt.want)
			if diff := cmp.Diff(append([]string{}, tt.want...), got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "ns"} }

func secret(name, key string) *ValueFromSource {
	return &ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key,
	}}
}

func TestValidateQuery(t *testing.T) {
	t.Parallel()
	valid := func() *Query {
		return &Query{ObjectMeta: meta("q"), Spec: QuerySpec{
			Type: QueryTypeUser, Input: apiextensionsv1.JSON{Raw: []byte(`"hi"`)}, Timeout: "5m", TTL: "0s",
			Target:     &QueryTarget{Type: TargetAgent, Name: "a"},
			Memory:     &MemoryRef{Name: "m"},
			Parameters: []Parameter{{Name: "p", Value: "v"}, {Name: "s", ValueFrom: secret("s", "k")}},
			Overrides: []Override{{ResourceType: OverrideModel, Headers: []Header{{Name: "X", Value: HeaderValue{Value: "v"}}},
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}},
		}}
	}
	runInvalid(t, valid, ValidateQuery, []invalidCase[Query]{
		{"selector instead of target", func(q *Query) { q.Spec.Target, q.Spec.Selector = nil, &metav1.LabelSelector{} }, nil},
		{"input of another type", func(q *Query) { q.Spec.Input.Raw = []byte(`{"city":"Paris"}`) }, nil},
		{"being deleted", func(q *Query) { *q = Query{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}} }, nil},
		{"neither target nor selector", func(q *Query) { q.Spec.Target = nil }, []string{"FieldValueRequired spec.target"}},
		{"bad selector", func(q *Query) { q.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b c"}} }, []string{"FieldValueInvalid spec.selector.matchLabels"}},
		{"timeout", func(q *Query) { q.Spec.Timeout = "5 minutes" }, []string{"FieldValueInvalid spec.timeout"}},
		{"zero timeout", func(q *Query) { q.Spec.Timeout = "0s" }, []string{"FieldValueInvalid spec.timeout"}},
		{"negative ttl", func(q *Query) { q.Spec.TTL = "-1s" }, []string{"FieldValueInvalid spec.ttl"}},
		{"parameter without value", func(q *Query) { q.Spec.Parameters[0].Value = "" }, []string{"FieldValueRequired spec.parameters[0]"}},
		{"parameter with both", func(q *Query) { q.Spec.Parameters[1].Value = "v" }, []string{"FieldValueForbidden spec.parameters[1].valueFrom"}},
		{"no source", func(q *Query) { q.Spec.Parameters[1].ValueFrom = &ValueFromSource{} }, []string{"FieldValueRequired spec.parameters[1].valueFrom"}},
		{"two sources", func(q *Query) {
			q.Spec.Parameters[1].ValueFrom.QueryParameterRef = &QueryParameterReference{Name: "p"}
		}, []string{"FieldValueForbidden spec.parameters[1].valueFrom"}},
		{"empty references", func(q *Query) {
			q.Spec.Parameters[1].ValueFrom = &ValueFromSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{}}
		}, []string{"FieldValueRequired spec.parameters[1].valueFrom.configMapKeyRef.key", "FieldValueRequired spec.parameters[1].valueFrom.configMapKeyRef.name"}},
		{"header", func(q *Query) { q.Spec.Overrides[0].Headers[0] = Header{} }, []string{"FieldValueRequired spec.overrides[0].headers[0].value"}},
		{"header source", func(q *Query) {
			q.Spec.Overrides[0].Headers[0].Value = HeaderValue{ValueFrom: &HeaderValueSource{}}
		}, []string{"FieldValueRequired spec.overrides[0].headers[0].value.valueFrom"}},
	})
}

func TestValidateAgent(t *testing.T) {
	t.Parallel()
	valid := func() *Agent {
		return &Agent{ObjectMeta: meta("a"), Spec: AgentSpec{
			ModelRef: &AgentModelRef{Name: "m"}, ExecutionEngine: &ExecutionEngineRef{Name: "e"},
			OutputSchema: &runtime.RawExtension{Raw: []byte(`{"type":"object"}`)},
			Tools: []AgentTool{
				{Type: AgentToolBuiltIn, Name: "noop"},
				{Type: AgentToolHTTP, Name: "forecast", Functions: []ToolFunction{{Name: "jq", Value: "."}},
					Partial:  &ToolPartial{Name: "weather", Parameters: []ToolFunction{{Name: "unit", ValueFrom: secret("s", "k")}}},
					Approval: &ToolApprovalConfig{Required: true, Timeout: "5m", OnTimeout: ApprovalReject, ArgumentMatches: map[string]string{"city": "^P"}}},
			},
		}}
	}
	tool := func(change func(*AgentTool)) func(*Agent) { return func(a *Agent) { change(&a.Spec.Tools[1]) } }
	runInvalid(t, valid, ValidateAgent, []invalidCase[Agent]{
		{"empty", func(a *Agent) { a.Spec = AgentSpec{} }, nil},
		{"schema", func(a *Agent) { a.Spec.OutputSchema.Raw = []byte(`[]`) }, []string{"FieldValueTypeInvalid spec.outputSchema"}},
		{"parameter", func(a *Agent) { a.Spec.Parameters = []Parameter{{Name: "p"}} }, []string{"FieldValueRequired spec.parameters[0]"}},
		{"built-in", func(a *Agent) { a.Spec.Tools[0].Name = "think" }, []string{"FieldValueNotSupported spec.tools[0].name"}},
		{"no name", tool(func(t *AgentTool) { t.Name = "" }), []string{"FieldValueRequired spec.tools[1].name"}},
		{"partial", tool(func(t *AgentTool) { t.Partial.Parameters[0].ValueFrom = &ValueFromSource{} }), []string{"FieldValueRequired spec.tools[1].partial.parameters[0].valueFrom"}},
		{"approval timeout", tool(func(t *AgentTool) { t.Approval.Timeout = "soon" }), []string{"FieldValueInvalid spec.tools[1].approval.timeout"}},
		{"approval expression", tool(func(t *AgentTool) { t.Approval.ArgumentMatches["city"] = "(" }), []string{"FieldValueInvalid spec.tools[1].approval.argumentMatches[city]"}},
	})
}

func TestValidateTeam(t *testing.T) {
	t.Parallel()
	valid := func() *Team {
		return &Team{ObjectMeta: meta("t"), Spec: TeamSpec{
			Strategy: StrategySelector, MaxTurns: ptr.To[int32](5), Selector: &TeamSelectorSpec{Agent: "boss"},
			Members: []TeamMember{{Name: "a", Type: MemberAgent}, {Name: "b", Type: MemberTeam}},
			Graph:   &TeamGraphSpec{Edges: []TeamGraphEdge{{From: "a", To: "b"}}},
		}}
	}
	sequential := func(loops bool, turns *int32) func(*Team) {
		return func(t *Team) {
			t.Spec = TeamSpec{Strategy: StrategySequential, Loops: loops, MaxTurns: turns, Members: t.Spec.Members}
		}
	}
	runInvalid(t, valid, ValidateTeam, []invalidCase[Team]{
		{"sequential", sequential(false, nil), nil},
		{"sequential with loops", sequential(true, ptr.To[int32](1)), nil},
		{"loops without maxTurns", sequential(true, nil), []string{"FieldValueRequired spec.maxTurns"}},
		{"maxTurns without loops", sequential(false, ptr.To[int32](2)), []string{"FieldValueForbidden spec.maxTurns"}},
		{"maxTurns", func(t *Team) { t.Spec.MaxTurns = ptr.To[int32](0) }, []string{"FieldValueInvalid spec.maxTurns"}},
		{"no strategy", func(t *Team) { t.Spec.Strategy = "" }, []string{"FieldValueRequired spec.strategy"}},
		{"strategy", func(t *Team) { t.Spec.Strategy = StrategyRoundRobin }, []string{"FieldValueNotSupported spec.strategy"}},
		{"no members", func(t *Team) { t.Spec.Members, t.Spec.Graph = nil, nil }, []string{"FieldValueRequired spec.members"}},
		{"member", func(t *Team) { t.Spec.Members = append(t.Spec.Members, TeamMember{}) }, []string{"FieldValueRequired spec.members[2].name", "FieldValueRequired spec.members[2].type"}},
		{"member type", func(t *Team) { t.Spec.Members[0].Type = "model" }, []string{"FieldValueNotSupported spec.members[0].type"}},
		{"itself", func(t *Team) { t.Name = "b" }, []string{"FieldValueInvalid spec.members[1].name"}},
		{"no selector", func(t *Team) { t.Spec.Selector = nil }, []string{"FieldValueRequired spec.selector"}},
		{"no selector agent", func(t *Team) { t.Spec.Selector.Agent = "" }, []string{"FieldValueRequired spec.selector.agent"}},
		{"selector without maxTurns", func(t *Team) { t.Spec.MaxTurns = nil }, []string{"FieldValueRequired spec.maxTurns"}},
		{"selector with loops", func(t *Team) { t.Spec.Loops = true }, []string{"FieldValueForbidden spec.loops"}},
		{"no edges", func(t *Team) { t.Spec.Graph.Edges = nil }, []string{"FieldValueRequired spec.graph.edges"}},
		{"edges", func(t *Team) { t.Spec.Graph.Edges[0] = TeamGraphEdge{To: "c"} }, []string{"FieldValueInvalid spec.graph.edges[0].to", "FieldValueRequired spec.graph.edges[0].from"}},
	})
}
