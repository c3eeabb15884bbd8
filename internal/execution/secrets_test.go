package execution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
	"mckinsey.com/ark/internal/valuesource"
)

// lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// The planted secret is the model's key and the tool's header. Whatever the
// servers do with it, it must not come out anywhere.
func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	const echoed = `you sent ` + plantedSecret
	tool := serveTool(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != plantedSecret {
			t.Errorf("the tool got %v", r.Header)
		}
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprint(w, echoed)
	})
	withHeader := func(spec *arkv1alpha1.ToolSpec) {
		spec.HTTP.Headers = []arkv1alpha1.Header{{Name: "X-Token", Value: arkv1alpha1.HeaderValue{
			ValueFrom: &arkv1alpha1.HeaderValueSource{SecretKeyRef: secretRef().SecretKeyRef},
		}}}
	}
	leak := func(format string) reply { return reply{http.StatusUnauthorized, fmt.Sprintf(format, echoed)} }
	tests := map[string]struct {
		model *modelServer
		phase arkv1alpha1.QueryPhase
	}{
		"error of the model":       {script(t, leak(`{"error":{"message":%q}}`)), arkv1alpha1.QueryError},
		"text of the model":        {script(t, leak(`%s`)), arkv1alpha1.QueryError},
		"garbage of the model":     {script(t, reply{200, echoed}), arkv1alpha1.QueryError},
		"answer of the model":      {script(t, says(echoed)), arkv1alpha1.QueryDone},
		"arguments of a call":      {script(t, calls("ok", fmt.Sprintf(`{"said":%q}`, echoed)), says("ok")), arkv1alpha1.QueryDone},
		"result of a tool":         {serveModel(t, repeatsResult("ok")), arkv1alpha1.QueryDone},
		"error of a tool":          {serveModel(t, repeatsResult("fail")), arkv1alpha1.QueryDone},
		"repeated error of a tool": {script(t, calls("fail", `{}`)), arkv1alpha1.QueryError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(10), textlogger.Output(&log)))
			events, rec := &eventLog{}, &recorder{t: t}
			r := newRunner(t, events, newModel("default", tt.model.URL), newAgent(withTools(uses("ok"), uses("fail"))),
				newTool("ok", tool.URL+"/", withHeader), newTool("fail", tool.URL+"/fail", withHeader))
			q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
			o := r.Run(klog.NewContext(t.Context(), logger), q, rec)
			if o.Phase != tt.phase {
				t.Errorf("outcome %+v", o)
			}
			o.Apply(q, time.Now())
			status, err := json.Marshal(q.Status)
			if err != nil {
				t.Fatal(err)
			}
			told := map[string]string{"status": string(status), "log": log.String(), "events": events.String()}
			for _, turn := range rec.turns {
				told[fmt.Sprintf("turn %d", turn.Seq)] = fmt.Sprintf("%s %s %s", turn.Request, turn.Response, turn.Error)
			}
			masked := false
			for where, text := range told {
				if strings.Contains(text, plantedSecret) {
					t.Errorf("the secret stands in the %s: %s", where, text)
				}
				masked = masked || strings.Contains(text, valuesource.Mask)
			}
			if !masked {
				t.Error("the servers' echo came out nowhere, so nothing was tested")
			}
		})
	}
}

// repeatsResult makes a model that calls a tool and says what it returned.
func repeatsResult(tool string) func(int, chat, *http.Request) reply {
	return func(n int, c chat, r *http.Request) reply {
		if r.Header.Get("Authorization") != "Bearer "+plantedSecret {
			return reply{http.StatusUnauthorized, "no key"}
		}
		if n == 1 {
			return calls(tool, "{}")
		}
		return says(c.Messages[len(c.Messages)-1].Content)
	}
}

// A secret that a prompt needs is sent to the model, but not recorded.
func TestSecretsInPromptsAreNotRecorded(t *testing.T) {
	t.Parallel()
	s := script(t, says("ok"))
	q := newQuery(arkv1alpha1.TargetModel, "m", "the password is {{.password}}")
	q.Spec.Parameters = []arkv1alpha1.Parameter{{Name: "password", ValueFrom: secretRef()}}
	rec := &recorder{t: t}
	done(t, newRunner(t, nil, newModel("m", s.URL)).Run(t.Context(), q, rec), "ok")
	if got := s.seen()[0].Messages[0].Content; got != "the password is "+plantedSecret {
		t.Errorf("the model was sent %q", got)
	}
	if got := string(rec.turns[0].Request); !strings.Contains(got, "the password is "+valuesource.Mask) {
		t.Errorf("recorded %s", got)
	}
}

// A secret is masked in an answer as it is, and where it is quoted: inside JSON,
// and inside the JSON of a call's arguments.
func TestSecretsInAnswersAreMasked(t *testing.T) {
	t.Parallel()
	const secret = `sec"ret\<value>`
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := script(t, calls("noop", fmt.Sprintf(`{"message":%s}`, quoted)), says("it is "+secret))
	planted := &corev1.Secret{ObjectMeta: object("quoted"), Data: map[string][]byte{"key": []byte(secret)}}
	from := &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "quoted"}, Key: "key"}}
	noop := arkv1alpha1.AgentTool{Type: arkv1alpha1.AgentToolBuiltIn, Name: arkv1alpha1.BuiltinNoop}
	agent := newAgent(withTools(noop), func(spec *arkv1alpha1.AgentSpec) {
		spec.Parameters = []arkv1alpha1.Parameter{{Name: "p", ValueFrom: from}}
	})
	o := ask(t, newRunner(t, nil, newModel("default", s.URL), agent, planted), nil)
	done(t, o, "it is "+valuesource.Mask)
	var messages []model.Message
	if err := json.Unmarshal([]byte(o.Response.Raw), &messages); err != nil {
		t.Fatalf("raw %s: %v", o.Response.Raw, err)
	}
	for _, text := range []string{messages[0].ToolCalls[0].Function.Arguments, messages[1].Content, messages[2].Content} {
		if !strings.Contains(text, valuesource.Mask) || strings.Contains(text, "<value>") || strings.Contains(text, "ret") {
			t.Errorf("raw holds %q", text)
		}
	}
}
