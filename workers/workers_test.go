package workers

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

func TestQueryIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seen := make(chan arkv1alpha1.QueryPhase, 1)
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome {
		seen <- f.get(key(q)).Status.Phase
		at := time.Now()
		for seq, kind := range []string{execution.TurnModel, execution.TurnTool, execution.TurnModel} {
			err := rec.Turn(ctx, execution.Turn{
				Seq: seq + 1, Kind: kind, Name: "m", Started: at, Ended: at,
				Request: []byte(`{"text":"nul \u0000 and \ud800 alone"}`), Response: []byte("no \xff JSON"), PromptTokens: 1,
			})
			if err != nil {
				t.Error(err)
			}
		}
		return answer("It is a test.")
	}))
	q := f.create(newQuery("team", "one"))

	got := f.ended("team/one")
	if phase := <-seen; phase != arkv1alpha1.QueryRunning {
		t.Errorf("while it was executed, the phase was %q", phase)
	}
	checkAnswered(t, got)
	f.queueEmpty()
	f.outcomes(q, "done")
	run := f.runs(q)[0]
	if run.Attempt != 1 || run.PromptTokens != 3 || run.CompletionTokens != 4 || run.TargetName != "default" || run.Reason != arkv1alpha1.ReasonQuerySucceeded || run.EndedAt == nil {
		t.Errorf("unexpected run: %+v", run)
	}
	turns := f.turns(q)
	if len(turns) != 3 || turns[1].Kind != execution.TurnTool || turns[2].Seq != 3 {
		t.Fatalf("unexpected turns: %+v", turns)
	}
	if got, want := string(turns[0].Request), `{"text": "nul  and � alone"}`; got != want {
		t.Errorf("request is %s, want %s", got, want)
	}
	if got, want := string(turns[0].Response), `"no � JSON"`; got != want {
		t.Errorf("response is %s, want %s", got, want)
	}
}

func checkAnswered(t *testing.T, q *arkv1alpha1.Query) {
	t.Helper()
	if q.Status.Phase != arkv1alpha1.QueryDone || q.Status.Response == nil || q.Status.Response.Content != "It is a test." {
		t.Errorf("unexpected status: %+v", q.Status)
	}
	if q.Status.TokenUsage == nil || q.Status.TokenUsage.TotalTokens != 7 || q.Status.Duration != "1s" {
		t.Errorf("unexpected usage or duration: %+v", q.Status)
	}
	if !meta.IsStatusConditionTrue(q.Status.Conditions, arkv1alpha1.ConditionCompleted) {
		t.Errorf("not completed: %+v", q.Status.Conditions)
	}
	if q.Generation != 1 {
		t.Errorf("a status write changed the generation to %d", q.Generation)
	}
}

// Every Query is executed exactly once, whoever takes it.
func TestManyQueriesManyWorkers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 200
	var mu sync.Mutex
	executions, workersUsed := map[string]int{}, map[string]bool{}
	two := make(chan struct{}) // closed once two workers do something
	var all []*arkv1alpha1.Query
	for i := range n {
		all = append(all, f.create(newQuery(fmt.Sprintf("ns-%d", i%5), fmt.Sprintf("q-%d", i))))
	}
	for i := range 3 {
		name := fmt.Sprintf("worker-%d", i)
		f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
			mu.Lock()
			executions[string(q.UID)]++
			if !workersUsed[name] {
				workersUsed[name] = true
				if len(workersUsed) == 2 {
					close(two)
				}
			}
			mu.Unlock()
			select {
			case <-two:
				return answer("answer to " + q.Name)
			case <-ctx.Done():
				return cutOffOutcome(ctx, q)
			}
		}), func(o *Options) { o.Name, o.Concurrency = name, 8 })
	}
	f.queueEmpty()
	mu.Lock()
	defer mu.Unlock()
	for _, q := range all {
		if executions[string(q.UID)] != 1 {
			t.Errorf("%s was executed %d times", key(q), executions[string(q.UID)])
		}
		if got := f.get(key(q)); got.Status.Response == nil || got.Status.Response.Content != "answer to "+q.Name {
			t.Errorf("%s has the status %+v", key(q), got.Status)
		}
	}
}

// A status that says what is there already is not written.
func TestUnchangedStatusIsNotWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "running", func(q *arkv1alpha1.Query) {
		execution.MarkRunning(q, time.Now())
		q.Status.Conditions[0].LastTransitionTime = metav1.NewTime(time.Now().Add(-time.Hour))
	}))
	before := f.stored(key(q)).rv
	g := newGate()
	f.start(g)
	f.next(g.began)
	if after := f.stored(key(q)).rv; after != before {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	g.open <- struct{}{}
	f.ended(key(q))
}

func TestHeldQueryWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(newQuery("team", "held", func(q *arkv1alpha1.Query) {
		q.Annotations = map[string]string{arkv1alpha1.AnnotationHold: "true"}
	}))
	g := newGate()
	f.start(g)
	f.create(newQuery("team", "other"))
	if q := f.next(g.began); q.Name != "other" {
		t.Fatalf("%s was executed", q.Name)
	}
	f.update("team/held", func(q *arkv1alpha1.Query) { q.Annotations = nil })
	if q := f.next(g.began); q.Name != "held" {
		t.Fatalf("%s was executed", q.Name)
	}
	g.open <- struct{}{}
	g.open <- struct{}{}
	f.ended("team/held")
	f.ended("team/other")
}

func TestPanicEndsTheQueryOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		if q.Name == "bad" {
			panic("out of cheese")
		}
		return answer("fine")
	}))
	f.create(newQuery("team", "bad"))
	if got := f.ended("team/bad"); got.Status.Phase != arkv1alpha1.QueryError || got.Status.Response.Content != "internal error: out of cheese" {
		t.Errorf("unexpected status: %+v", got.Status)
	}
	f.create(newQuery("team", "good"))
	if got := f.ended("team/good"); got.Status.Phase != arkv1alpha1.QueryDone {
		t.Errorf("unexpected status: %+v", got.Status)
	}
}

// An outcome that the schema refuses is replaced by an error that says so.
func TestInvalidOutcomeBecomesAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(runnerFunc(func(context.Context, *arkv1alpha1.Query, execution.Recorder) execution.Outcome {
		o := answer("fine")
		o.Phase = "perfect"
		return o
	}))
	f.create(newQuery("team", "one"))
	got := f.ended("team/one")
	if got.Status.Phase != arkv1alpha1.QueryError {
		t.Errorf("unexpected status: %+v", got.Status)
	}
	f.queueEmpty()
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := Options{Pool: f.pool, Store: f.store, Runner: newGate()}
	for name, change := range map[string]func(*Options){
		"no pool":            func(o *Options) { o.Pool = nil },
		"no store":           func(o *Options) { o.Store = nil },
		"no runner":          func(o *Options) { o.Runner = nil },
		"no concurrency":     func(o *Options) { o.Concurrency = -1 },
		"no attempts":        func(o *Options) { o.MaxAttempts = -1 },
		"rare heartbeats":    func(o *Options) { o.LeaseDuration, o.Heartbeat = 10*time.Second, 5*time.Second },
		"negative durations": func(o *Options) { o.Poll = -1 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("good options were refused: %v", err)
	}
}
