package webhooks_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/webhooks"
)

const (
	warnsCustom  = "spec.tools: the type custom of t is deprecated: name the type of the Tool (http, mcp, agent, team or builtin)"
	warnsModel   = "spec.type: openai is a provider and is deprecated here: it was moved to spec.provider, and spec.type is now completions"
	warnsInput   = "spec.type: messages is deprecated: spec.input is now the text of the first user message, and spec.type is user"
	warnsRound   = "spec.strategy: round-robin is deprecated: it is now sequential with loops: true"
	warnsGraph   = "spec.strategy: graph is deprecated: it is now sequential, without spec.graph and spec.maxTurns; use the strategy selector with a graph instead"
	target       = "target: {type: agent, name: weather}"
	annotatedFmt = "metadata: {annotations: {KEY: 'VALUE'}}\n"
)

func annotated(key, value string) string {
	return strings.NewReplacer("KEY", key, "VALUE", value).Replace(annotatedFmt)
}

// mutations are objects as they are sent, and what becomes of them; empty: nothing
// is to be changed.
var mutations = map[string]struct{ kind, sent, want string }{
	"an agent without a model":  {"Agent", "spec: {prompt: p}", "spec: {prompt: p, modelRef: {name: default}}"},
	"an agent of nothing":       {"Agent", "{}", "spec: {modelRef: {name: default}}"},
	"an agent whose spec is no": {"Agent", "spec: null", "spec: {modelRef: {name: default}}"},
	"an agent on a server":      {"Agent", annotated(v1alpha1.AnnotationA2AServerName, "s") + "spec: {prompt: p}", ""},
	"an agent of the future": {
		"Agent", "spec: {mood: [good, {very: 1.50}], tools: [{type: custom, name: t, since: 12345678901234567890}]}",
		annotated(v1alpha1.AnnotationMigrationToolTypeCustom, warnsCustom) +
			"spec: {modelRef: {name: default}, mood: [good, {very: 1.50}], tools: [{type: custom, name: t, since: 12345678901234567890}]}",
	},
	"a former model": {
		"Model", "spec: {type: openai, model: {value: m}, config: {openai: {baseUrl: {value: u}, later: 1}}}",
		annotated(v1alpha1.AnnotationMigrationProvider, warnsModel) +
			"spec: {type: completions, provider: openai, model: {value: m}, config: {openai: {baseUrl: {value: u}, later: 1}}}",
	},
	"a model": {"Model", "spec: {type: completions, provider: openai, model: {value: m}}", ""},
	"a query": {"Query", "spec: {input: hi, " + target + "}", "spec: {input: hi, ttl: 720h, " + target + "}"},
	"a query with all that it needs": {
		"Query", "spec: {input: {b: 1, a: [12345678901234567890]}, ttl: 1h, " + target + "}\nstatus: {phase: running}", "",
	},
	"a query of messages": {
		"Query", "spec: {type: messages, input: [{role: system, content: no}, {role: user, content: hi}], ttl: 1h}",
		annotated(v1alpha1.AnnotationMigrationInputType, warnsInput) + "spec: {type: user, input: hi, ttl: 1h}",
	},
	"a query with a finalizer": {
		"Query", "metadata: {finalizers: [one/a, ark.mckinsey.com/finalizer, two/b]}\nspec: {input: hi, ttl: 1h}",
		"metadata: {finalizers: [one/a, two/b]}\nspec: {input: hi, ttl: 1h}",
	},
	"a query with no other finalizer": {
		"Query", "metadata: {finalizers: [ark.mckinsey.com/finalizer]}\nspec: {input: hi, ttl: 1h}", "spec: {input: hi, ttl: 1h}",
	},
	"a query that is being deleted": {
		"Query", "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [one/a, ark.mckinsey.com/finalizer]}\nspec: {input: hi}",
		"metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [one/a]}\nspec: {input: hi}",
	},
	"a team that takes turns": {
		"Team", "spec: {strategy: round-robin, maxTurns: 3, members: [{type: agent, name: a, weight: 2}]}",
		annotated(v1alpha1.AnnotationMigrationRoundRobin, warnsRound) +
			"spec: {strategy: sequential, loops: true, maxTurns: 3, members: [{type: agent, name: a, weight: 2}]}",
	},
	"a team with a graph": {
		"Team", "spec: {strategy: graph, maxTurns: 3, graph: {edges: [{from: a, to: a}]}, members: [{type: agent, name: a}], later: true}",
		annotated(v1alpha1.AnnotationMigrationGraph, warnsGraph) +
			"spec: {strategy: sequential, members: [{type: agent, name: a}], later: true}",
	},
	"what the schema will refuse": {"Team", "spec: {strategy: round-robin, maxTurns: many}", ""},
	"a tool":                      {"Tool", "spec: {type: http, inputSchema: {b: 1, a: 1.0}}", ""},
}

func TestMutate(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	for name, c := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := review(t, m, webhooks.MutatePath, c.kind, c.sent, "")
			sent := object(t, c.kind, c.sent)
			got := patched(t, sent, answer)
			if c.want == "" {
				if answer.Patch != nil {
					t.Errorf("the patch is %s, want none", answer.Patch)
				}
				return
			}
			if diff := cmp.Diff(fields(t, object(t, c.kind, c.want)), fields(t, got)); diff != "" {
				t.Errorf("the patch %s makes (-want +got):\n%s", answer.Patch, diff)
			}
			again := &admissionv1.AdmissionRequest{
				UID: "again", Operation: admissionv1.Update, Namespace: "ns", Name: "x", Kind: metav1.GroupVersionKind{Group: v1alpha1.GroupName, Version: kinds[c.kind], Kind: c.kind},
				Object: runtime.RawExtension{Raw: got}, OldObject: runtime.RawExtension{Raw: sent},
			}
			if answer := ask(t, m, webhooks.MutatePath, again); !answer.Allowed || answer.Patch != nil {
				t.Errorf("asked again, the patch is %s: %v", answer.Patch, answer.Result)
			}
		})
	}
}

// fields of an object, with numbers as they are written.
func fields(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var o map[string]any
	if err := decoder.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestMutateQueryTTL(t *testing.T) {
	t.Parallel()
	config := &v1alpha1.ArkConfig{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.ArkConfigSpec{QueryTTL: "90m"}}
	down := newReader()
	down.err = unavailable()
	for name, c := range map[string]struct {
		options webhooks.Options
		want    string
	}{
		"as the config says":             {webhooks.Options{Reader: newReader(config)}, "90m"},
		"the cache is asked, no more":    {webhooks.Options{Reader: newReader(), Live: newReader(config)}, "720h"},
		"the cache is away, another not": {webhooks.Options{Reader: down, Live: newReader(config)}, "90m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := review(t, newModule(t, c.options), webhooks.MutatePath, "Query", "spec: {input: hi}", "")
			var q v1alpha1.Query
			if err := json.Unmarshal(patched(t, object(t, "Query", "spec: {input: hi}"), answer), &q); err != nil {
				t.Fatal(err)
			}
			if string(q.Spec.TTL) != c.want {
				t.Errorf("the ttl is %s, want %s", q.Spec.TTL, c.want)
			}
		})
	}
	answer := review(t, newModule(t, webhooks.Options{Reader: down}), webhooks.MutatePath, "Query", "spec: {input: hi}", "")
	if answer.Allowed || answer.Result.Code != 503 || !strings.Contains(answer.Result.Message, "read the ArkConfig") {
		t.Errorf("if it is not known: %v", answer.Result)
	}
}

// A Query is restored with its status: whoever does it is told that it runs anew.
func TestMutateForgets(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	ended := "spec: {input: hi, ttl: 1h}\nstatus: {phase: done}"
	answer := review(t, m, webhooks.MutatePath, "Query", ended, "")
	if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "executed anew") || answer.Patch != nil {
		t.Errorf("the warnings are %q, the patch %s", answer.Warnings, answer.Patch)
	}
	if answer := review(t, m, webhooks.MutatePath, "Query", ended, ended); len(answer.Warnings) != 0 {
		t.Errorf("at an update the warnings are %q", answer.Warnings)
	}
}

func TestUnknownKinds(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	raw := runtime.RawExtension{Raw: object(t, "Query", "spec: {input: hi}")}
	query := metav1.GroupVersionKind(v1alpha1.GroupVersion.WithKind("Query"))
	for name, req := range map[string]*admissionv1.AdmissionRequest{
		"a later version": {Kind: metav1.GroupVersionKind{Group: v1alpha1.GroupName, Version: "v1", Kind: "Query"}, Object: raw},
		"another group":   {Kind: metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Object: raw},
		"a part":          {Kind: query, SubResource: "scale", Object: raw},
		"a deletion":      {Kind: query, OldObject: raw},
	} {
		for _, path := range []string{webhooks.MutatePath, webhooks.ValidatePath} {
			if answer := ask(t, m, path, req); answer.Allowed || answer.Result.Code != 400 || !strings.Contains(answer.Result.Message, "no rules") {
				t.Errorf("%s of %s: %v", path, name, answer.Result)
			}
		}
	}
}
