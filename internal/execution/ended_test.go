package execution

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// hang holds a request until its client goes away, and says when it has come.
func hang(t *testing.T, arrived func()) *modelServer {
	t.Helper()
	return serveModel(t, func(_ int, _ chat, r *http.Request) reply {
		arrived()
		<-r.Context().Done()
		return reply{status: http.StatusOK}
	})
}

// The cause of the context decides what becomes of a Query that is cut off in a
// call of its model.
func TestEndedWhileTheModelThinks(t *testing.T) {
	t.Parallel()
	stopping := errors.New("the worker stops")
	tests := []struct {
		name        string
		cause       error
		phase       arkv1alpha1.QueryPhase
		reason      string
		interrupted error
	}{
		{"canceled", ErrCanceled, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, nil},
		{"canceled, with details", fmt.Errorf("deleted: %w", ErrCanceled), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, nil},
		{"timed out", ErrTimeout, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInExecution, nil},
		{"lease lost", ErrLeaseLost, "", "", ErrLeaseLost},
		{"worker stops", stopping, "", "", stopping},
		{"no cause", nil, "", "", context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := hang(t, func() { cancel(tt.cause) })
			rec, events := &recorder{t: t}, &eventLog{}
			o := newRunner(t, events, newModel("m", s.URL)).Run(ctx, newQuery(arkv1alpha1.TargetModel, "m", "hi"), rec)
			if o.Phase != tt.phase || o.Reason != tt.reason || !errors.Is(o.Interrupted, tt.interrupted) || (o.Interrupted == nil) != (tt.interrupted == nil) {
				t.Errorf("outcome %+v", o)
			}
			if len(rec.turns) != 1 || !strings.Contains(rec.turns[0].Error, `model "m"`) {
				t.Errorf("turns %+v, want the one that was cut off", rec.turns)
			}
			if told := strings.Contains(events.String(), "\n"); told == (tt.interrupted != nil) {
				t.Errorf("events:\n%s", events)
			}
			if strings.Contains(events.String(), warnModel) {
				t.Errorf("the model is blamed:\n%s", events)
			}
			before := newQuery(arkv1alpha1.TargetModel, "m", "hi")
			MarkRunning(before, time.Unix(1, 0))
			after := before.DeepCopy()
			o.Apply(after, time.Unix(2, 0))
			if changed := after.Status.Phase != before.Status.Phase; changed == (tt.interrupted != nil) {
				t.Errorf("phase %s after Apply", after.Status.Phase)
			}
		})
	}
}

func TestSpecTimeout(t *testing.T) {
	t.Parallel()
	s := hang(t, func() {})
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	q.Spec.Timeout = "50ms"
	o := newRunner(t, nil, newModel("m", s.URL)).Run(t.Context(), q, nil)
	if o.Phase != arkv1alpha1.QueryError || o.Reason != arkv1alpha1.ReasonTimedOutInExecution {
		t.Fatalf("outcome %+v", o)
	}
	for _, part := range []string{"50ms", `model "m" (gpt-test)`, "no answer in time"} {
		if !strings.Contains(o.Response.Content, part) {
			t.Errorf("content %q does not say %q", o.Response.Content, part)
		}
	}
}

func TestCanceledWhileToolsRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	tool := serveTool(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(ErrCanceled)
		<-r.Context().Done()
	})
	s := script(t, calls("t", "{}", "t", "{}"))
	rec := &recorder{t: t}
	r := newRunner(t, nil, newModel("default", s.URL), newAgent(withTools(uses("t"))), newTool("t", tool.URL))
	o := r.Run(ctx, newQuery(arkv1alpha1.TargetAgent, "a", "hi"), rec)
	if o.Phase != arkv1alpha1.QueryCanceled || o.Response != nil || o.TokenUsage.TotalTokens != 15 {
		t.Errorf("outcome %+v", o)
	}
	if len(rec.turns) != 3 || len(s.seen()) != 1 {
		t.Errorf("%d turns recorded, %d model calls", len(rec.turns), len(s.seen()))
	}
}

func TestModelErrorsReachTheQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reply reply
		want  []string
	}{
		{reply{401, `{"error":{"message":"bad key"}}`}, []string{"HTTP 401 Unauthorized", "bad key"}},
		{reply{429, `{"error":{"message":"slow down"}}`}, []string{"HTTP 429 Too Many Requests", "slow down"}},
		{reply{500, "boom"}, []string{"HTTP 500 Internal Server Error", "boom"}},
		{reply{200, "<html>"}, []string{"not a chat completion", "<html>"}},
		{reply{200, ""}, []string{"the answer is empty"}},
	} {
		s := script(t, tt.reply)
		events := &eventLog{}
		o := newRunner(t, events, newModel("m", s.URL)).Run(t.Context(), newQuery(arkv1alpha1.TargetModel, "m", "hi"), nil)
		errored(t, o, append(tt.want, `model "m" (gpt-test)`)...)
		for _, part := range []string{"Warning ModelUnavailable", "Warning QueryExecutionError"} {
			if !strings.Contains(events.String(), part) {
				t.Errorf("events:\n%s\nwant %s", events, part)
			}
		}
	}
}

// A Query with a serviceAccount reads with its rights, and nothing else.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	s := script(t, says("hello"))
	foreign := newModel("m", s.URL)
	foreign.Spec.Config.OpenAI.APIKey = arkv1alpha1.ValueSource{Value: "key-in-the-manifest"}
	foreign.Namespace = "other"
	agent := newAgent(func(spec *arkv1alpha1.AgentSpec) {
		spec.ModelRef = &arkv1alpha1.AgentModelRef{Name: "m", Namespace: "other"}
	})
	allowed := reader(t, foreign, agent)
	r := newRunner(t, nil)
	r.readerFor = func(_ context.Context, ns, account string) (client.Reader, error) {
		if ns != namespace || account != "sa" {
			return nil, fmt.Errorf("no account %s/%s", ns, account)
		}
		return allowed, nil
	}
	q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
	errored(t, r.Run(t.Context(), q, nil), `the Agent "a" does not exist`)
	q.Spec.ServiceAccount = "sa"
	done(t, r.Run(t.Context(), q, nil), "hello")
	q.Spec.ServiceAccount = "nobody"
	errored(t, r.Run(t.Context(), q, nil), `act as the ServiceAccount "nobody"`)
}

// One Runner serves many Queries at once; none sees anything of another.
func TestConcurrentQueries(t *testing.T) {
	t.Parallel()
	s := serveModel(t, func(_ int, c chat, _ *http.Request) reply { return says(c.Messages[len(c.Messages)-1].Content) })
	r := newRunner(t, &eventLog{}, newModel("default", s.URL), newAgent())
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			input := fmt.Sprintf("question %d", i)
			rec := &recorder{t: t}
			o := r.Run(t.Context(), newQuery(arkv1alpha1.TargetAgent, "a", input), rec)
			if o.Response == nil || o.Response.Content != input || o.TokenUsage.TotalTokens != 15 || len(rec.turns) != 1 {
				t.Errorf("query %d: %+v, %d turns", i, o, len(rec.turns))
			}
		})
	}
	group.Wait()
}

// A Query that ends in the queue has an Event like all that end.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	tests := []struct {
		outcome Outcome
		want    string
	}{
		{Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue, "too late"), "Warning QueryExecutionError too late"},
		{Ended(q, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, "canceled"), "Normal QueryExecutionComplete canceled"},
		{Outcome{Interrupted: ErrLeaseLost}, ""},
	}
	for _, tt := range tests {
		events := &eventLog{}
		newRunner(t, events).Announce(q, tt.outcome)
		if events.String() != tt.want {
			t.Errorf("events %q, want %q", events, tt.want)
		}
	}
}
