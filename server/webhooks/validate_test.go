package webhooks_test

import (
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/webhooks"
)

func unavailable() error { return apierrors.NewServiceUnavailable("the cluster is away") }

// validations are an object of each kind as it should be, one that is wrong, and
// the fields that are.
var validations = map[string]struct {
	good, bad string
	causes    []string
}{
	"A2AServer": {"spec: {address: {value: 'http://x'}}", "spec: {address: {}, timeout: soon}", []string{"spec.address", "spec.timeout"}},
	"A2ATask": {
		"spec: {queryRef: {name: q}, a2aServerRef: {name: s}, agentRef: {name: a}, taskId: '1'}",
		"spec: {queryRef: {name: q}, a2aServerRef: {name: s}, agentRef: {name: a}, taskId: '1', timeout: soon}", []string{"spec.timeout"},
	},
	"Agent":           {"spec: {tools: [{type: http, name: t}]}", "spec: {tools: [{type: http}]}", []string{"spec.tools[0].name"}},
	"ArkConfig":       {"metadata: {name: default}\nspec: {queryTTL: 1h}", "metadata: {name: default}\nspec: {queryTTL: soon}", []string{"spec.queryTTL"}},
	"ExecutionEngine": {"spec: {address: {value: 'http://x'}}", "metadata: {name: a2a}\nspec: {address: {value: 'http://x'}}", []string{"metadata.name"}},
	"MCPServer":       {"spec: {address: {value: 'http://x'}, transport: http}", "spec: {address: {}, transport: http}", []string{"spec.address"}},
	"Memory":          {"spec: {address: {value: 'http://x'}}", "spec: {address: {}}", []string{"spec.address"}},
	"Model": {
		"spec: {type: completions, provider: openai, model: {value: m}, config: {openai: {baseUrl: {value: 'https://x.test'}, apiKey: {value: k}}}}",
		"spec: {type: completions, provider: openai, model: {value: m}, config: {}}", []string{"spec.config"},
	},
	"Query": {"spec: {input: hi, " + target + "}", "spec: {input: hi, timeout: '-1s'}", []string{"spec.target", "spec.timeout"}},
	"Team": {
		"spec: {strategy: sequential, members: [{type: agent, name: a}]}",
		"spec: {strategy: sequential, members: [{type: team, name: x}], loops: true}", []string{"spec.members[0].name", "spec.maxTurns"},
	},
	"Tool": {"spec: {type: builtin, builtin: {name: noop}}", "spec: {type: http}", []string{"spec.http"}},
}

func TestValidate(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := validations[kind]
			for _, old := range []string{"", c.good} {
				if answer := review(t, m, webhooks.ValidatePath, kind, c.good, old); !answer.Allowed {
					t.Errorf("refused: %v", answer.Result)
				}
				invalid(t, review(t, m, webhooks.ValidatePath, kind, c.bad, old), c.causes...)
			}
			// Nothing keeps an object from losing its finalizers.
			gone := "deletionTimestamp: '2026-01-01T00:00:00Z'"
			bad := "metadata: {" + gone + "}\n" + c.bad
			if strings.HasPrefix(c.bad, "metadata: {") {
				bad = "metadata: {" + gone + ", " + strings.TrimPrefix(c.bad, "metadata: {")
			}
			if answer := review(t, m, webhooks.ValidatePath, kind, bad, c.bad); !answer.Allowed {
				t.Errorf("refused while it is being deleted: %v", answer.Result)
			}
		})
	}
}

// invalid checks that an answer refuses these fields as the API server does.
func invalid(t *testing.T, answer *admissionv1.AdmissionResponse, causes ...string) {
	t.Helper()
	if answer.Allowed {
		t.Fatal("accepted")
	}
	s := answer.Result
	if s.Code != http.StatusUnprocessableEntity || s.Reason != metav1.StatusReasonInvalid || s.Details == nil || s.Details.Name == "" {
		t.Fatalf("the status is %v", s)
	}
	var got []string
	for _, c := range s.Details.Causes {
		got = append(got, c.Field)
	}
	if strings.Join(got, " ") != strings.Join(causes, " ") {
		t.Errorf("the causes are %v, want %v", s.Details.Causes, causes)
	}
}

func TestValidateQueryTarget(t *testing.T) {
	t.Parallel()
	away, forbidden := newReader(), newReader()
	away.err = unavailable()
	forbidden.err = apierrors.NewForbidden(v1alpha1.Resource("agents"), "weather", nil)
	const query, other = "spec: {input: hi, " + target + "}", "spec: {input: hi, target: {type: agent, name: other}}"
	for name, c := range map[string]struct {
		options webhooks.Options
		old     string
		code    int32 // 0: accepted
	}{
		"there":                   {webhooks.Options{Reader: newReader(weather())}, "", 0},
		"not there":               {webhooks.Options{Reader: newReader()}, "", 422},
		"new":                     {webhooks.Options{Reader: newReader(), Live: newReader(weather())}, "", 0},
		"not there, asked twice":  {webhooks.Options{Reader: newReader(), Live: newReader()}, "", 422},
		"gone, not named anew":    {webhooks.Options{Reader: newReader()}, query, 0},
		"not there, named anew":   {webhooks.Options{Reader: newReader()}, other, 422},
		"not to be looked for":    {webhooks.Options{Reader: newReader(), SkipReferenceChecks: true}, "", 0},
		"the cluster is away":     {webhooks.Options{Reader: away}, "", 503},
		"the webhook may not ask": {webhooks.Options{Reader: forbidden}, "", 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := review(t, newModule(t, c.options), webhooks.ValidatePath, "Query", query, c.old)
			if answer.Allowed != (c.code == 0) || !answer.Allowed && answer.Result.Code != c.code {
				t.Fatalf("allowed: %t: %v", answer.Allowed, answer.Result)
			}
			if c.code == 422 {
				invalid(t, answer, "spec.target.name")
			}
		})
	}
}

func TestValidateWarns(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	for _, kind := range []string{"Agent", "Model", "Query", "Team"} {
		text := annotated(v1alpha1.AnnotationMigrationWarningPrefix+"x", "mind this") + validations[kind].good
		if answer := review(t, m, webhooks.ValidatePath, kind, text, ""); !answer.Allowed || strings.Join(answer.Warnings, "|") != "mind this" {
			t.Errorf("%s: the warnings are %q: %v", kind, answer.Warnings, answer.Result)
		}
	}
}

// An object that the types of this binary cannot hold is refused, unless it is
// about to be gone; one that was stored like that can be repaired.
func TestValidateUnreadable(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{})
	const former = "spec: {type: agent, agent: weather}"
	answer := review(t, m, webhooks.ValidatePath, "Tool", former, "")
	if answer.Allowed || answer.Result.Code != http.StatusBadRequest {
		t.Errorf("allowed: %t: %v", answer.Allowed, answer.Result)
	}
	gone := "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}\n" + former
	if answer := review(t, m, webhooks.ValidatePath, "Tool", gone, former); !answer.Allowed {
		t.Errorf("refused while it is being deleted: %v", answer.Result)
	}
	if answer := review(t, m, webhooks.ValidatePath, "Tool", "spec: {type: agent, agent: {name: weather}}", former); !answer.Allowed {
		t.Errorf("refused to be repaired: %v", answer.Result)
	}
}

// A Query that has ended stays as it ended; what else a status may be the schema says.
func TestValidateStatus(t *testing.T) {
	t.Parallel()
	m := newModule(t, webhooks.Options{Reader: newReader()})
	const spec, running, done = "spec: {input: hi, " + target + "}\n", "status: {phase: running}", "status: {phase: done}"
	for name, c := range map[string]struct {
		old, sent string
		causes    []string
	}{
		"it goes on":     {running, done, nil},
		"it begins anew": {done, running, []string{"status.phase"}},
		"it never was":   {done, "{}", []string{"status.phase"}},
		"it stays":       {done, done + "\nmetadata: {labels: {a: b}}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := ask(t, m, webhooks.ValidatePath, &admissionv1.AdmissionRequest{
				UID: "status", Operation: admissionv1.Update, Namespace: "ns", Name: "x", SubResource: "status",
				Kind:   metav1.GroupVersionKind(v1alpha1.GroupVersion.WithKind("Query")),
				Object: runtime.RawExtension{Raw: object(t, "Query", c.sent)}, OldObject: runtime.RawExtension{Raw: object(t, "Query", spec+c.old)},
			})
			if c.causes == nil {
				if !answer.Allowed {
					t.Errorf("refused: %v", answer.Result)
				}
				return
			}
			invalid(t, answer, c.causes...)
		})
	}
}
