package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// patience is how long a test waits for what must happen. It decides nothing.
const patience = 20 * time.Second

// gated is a Runner whose executions wait to be let go, or are cut off.
type gated struct {
	mu        sync.Mutex
	begun     []string // names, in order
	announced []string
	gate      chan struct{}
}

func (g *gated) Run(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
	g.mu.Lock()
	g.begun = append(g.begun, q.Name)
	gate := g.gate
	g.mu.Unlock()
	select {
	case <-gate:
		return execution.Outcome{Phase: arkv1alpha1.QueryDone, Reason: arkv1alpha1.ReasonQuerySucceeded, Response: &arkv1alpha1.Response{Content: "answer to " + q.Name}}
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), execution.ErrCanceled) {
			return execution.Outcome{Phase: arkv1alpha1.QueryCanceled, Reason: arkv1alpha1.ReasonQueryCanceled}
		}
		return execution.Outcome{Interrupted: context.Cause(ctx)}
	}
}

func (g *gated) Announce(q *arkv1alpha1.Query, _ execution.Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.announced = append(g.announced, q.Name)
}

func (g *gated) names() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprint(g.begun)
}

// executors is an Executor over a fake API, whose events the test brings.
type executors struct {
	*Executor
	t      *testing.T
	runner *gated
	clock  *testingclock.FakePassiveClock
	stop   func()
}

func newExecutors(t *testing.T, concurrency int, queries ...*arkv1alpha1.Query) *executors {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&arkv1alpha1.Query{})
	for _, q := range queries {
		builder = builder.WithObjects(q)
	}
	c := builder.Build()
	e := &executors{t: t, runner: &gated{gate: make(chan struct{})}, clock: testingclock.NewFakePassiveClock(time.Now())}
	e.Executor = &Executor{
		Client: c, Live: c, Runner: e.runner, Clock: e.clock, Concurrency: concurrency,
		waiting: map[types.NamespacedName]*waiting{}, running: map[types.NamespacedName]*running{},
	}
	e.lead()
	return e
}

// lead makes it the leader until stop.
func (e *executors) lead() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	var once sync.Once
	e.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				e.t.Errorf("it ended with %v", err)
			}
		})
	}
	e.t.Cleanup(e.stop)
}

// tell brings the event that a Query has changed.
func (e *executors) tell(name string) ctrl.Result {
	e.t.Helper()
	result, err := e.Reconcile(e.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "team", Name: name}})
	if err != nil {
		e.t.Fatalf("reconcile %s: %v", name, err)
	}
	return result
}

func (e *executors) get(name string) *arkv1alpha1.Query {
	e.t.Helper()
	var q arkv1alpha1.Query
	if err := e.Client.Get(e.t.Context(), types.NamespacedName{Namespace: "team", Name: name}, &q); err != nil {
		e.t.Fatalf("get %s: %v", name, err)
	}
	return &q
}

func (e *executors) change(name string, change func(*arkv1alpha1.Query)) {
	e.t.Helper()
	q := e.get(name)
	change(q)
	if err := e.Client.Update(e.t.Context(), q); err != nil {
		e.t.Fatalf("update %s: %v", name, err)
	}
	e.tell(name)
}

// becomes waits until a Query is in a phase.
func (e *executors) becomes(name string, phase arkv1alpha1.QueryPhase) *arkv1alpha1.Query {
	e.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		q := e.get(name)
		if q.Status.Phase == phase {
			return q
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("%s is %q, want %q", name, q.Status.Phase, phase)
		}
	}
}

// begins waits until the executions that have begun are these, in this order.
func (e *executors) begins(want string) {
	e.t.Helper()
	for deadline := time.Now().Add(patience); e.runner.names() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatalf("begun are %s, want %s", e.runner.names(), want)
		}
	}
}

// letGo ends all executions, also those that begin later.
func (e *executors) letGo() { close(e.runner.gate) }

func aQuery(name string, change ...func(*arkv1alpha1.Query)) *arkv1alpha1.Query {
	q := &arkv1alpha1.Query{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.Now()}}
	for _, c := range change {
		c(q)
	}
	return q
}

func annotated(name, value string) func(*arkv1alpha1.Query) {
	return func(q *arkv1alpha1.Query) { q.Annotations = map[string]string{name: value} }
}

func reason(q *arkv1alpha1.Query) string {
	if c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted); c != nil {
		return c.Reason
	}
	return ""
}

func TestExecutorBoundsAndOrders(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 1, aQuery("first"),
		aQuery("late", func(q *arkv1alpha1.Query) { q.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Minute)) }),
		aQuery("urgent", annotated(arkv1alpha1.AnnotationPriority, "5"), func(q *arkv1alpha1.Query) {
			q.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Hour))
		}), aQuery("early"))
	e.tell("first")
	e.becomes("first", arkv1alpha1.QueryRunning)
	for _, name := range []string{"late", "urgent", "early"} {
		e.tell(name)
		if q := e.becomes(name, arkv1alpha1.QueryQueued); reason(q) != arkv1alpha1.ReasonQueryQueued {
			t.Errorf("%s: reason %s", name, reason(q))
		}
	}
	e.letGo()
	for _, name := range []string{"first", "early", "late", "urgent"} {
		if q := e.becomes(name, arkv1alpha1.QueryDone); q.Status.Response.Content != "answer to "+name {
			t.Errorf("%s: %+v", name, q.Status.Response)
		}
	}
	e.begins("[first urgent early late]")
	e.tell("first") // the end of an execution is an event too
	e.begins("[first urgent early late]")
}

func TestExecutorEndsWithoutExecution(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 1, aQuery("busy"), aQuery("waits", func(q *arkv1alpha1.Query) { q.Spec.Timeout = "1m" }),
		aQuery("canceled"), aQuery("held", annotated(arkv1alpha1.AnnotationHold, "true")))
	e.tell("busy")
	e.becomes("busy", arkv1alpha1.QueryRunning)
	if result := e.tell("waits"); result.RequeueAfter <= 0 || result.RequeueAfter > time.Minute {
		t.Errorf("it comes back after %s, want its timeout", result.RequeueAfter)
	}
	e.clock.SetTime(time.Now().Add(2 * time.Minute))
	e.tell("waits")
	if q := e.becomes("waits", arkv1alpha1.QueryError); reason(q) != arkv1alpha1.ReasonTimedOutInQueue {
		t.Errorf("reason %s", reason(q))
	}
	e.change("canceled", func(q *arkv1alpha1.Query) { q.Spec.Cancel = true })
	e.becomes("canceled", arkv1alpha1.QueryCanceled)
	e.tell("held")
	e.becomes("held", arkv1alpha1.QueryPending)
	e.letGo()
	e.becomes("busy", arkv1alpha1.QueryDone)
	e.change("held", func(q *arkv1alpha1.Query) { q.Annotations = nil })
	e.becomes("held", arkv1alpha1.QueryDone)
	e.begins("[busy held]")
	if got := fmt.Sprint(e.runner.announced); got != "[waits canceled]" {
		t.Errorf("announced are %s", got)
	}
}

func TestExecutorCutsOff(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 4, aQuery("canceled"), aQuery("deleted"))
	for _, name := range []string{"canceled", "deleted"} {
		e.tell(name)
		e.becomes(name, arkv1alpha1.QueryRunning)
	}
	e.change("canceled", func(q *arkv1alpha1.Query) { q.Spec.Cancel = true })
	e.becomes("canceled", arkv1alpha1.QueryCanceled)
	if err := e.Client.Delete(t.Context(), e.get("deleted")); err != nil {
		t.Fatal(err)
	}
	e.tell("deleted")
	e.Executor.tasks.Wait() // nothing goes on
	e.letGo()
}

// TestExecutorNextLeader: what was running when the leader went is executed again
// by the next one, what is finished is not.
func TestExecutorNextLeader(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 4, aQuery("done"), aQuery("cut"))
	e.tell("done")
	e.begins("[done]")
	e.letGo()
	e.becomes("done", arkv1alpha1.QueryDone)
	e.runner.mu.Lock()
	e.runner.gate = make(chan struct{})
	e.runner.mu.Unlock()
	e.tell("cut")
	e.becomes("cut", arkv1alpha1.QueryRunning)
	e.stop()
	if q := e.get("cut"); q.Status.Phase != arkv1alpha1.QueryQueued {
		t.Errorf("without a leader it is %s", q.Status.Phase)
	}
	e.lead()
	for _, name := range []string{"done", "cut"} {
		e.tell(name)
	}
	e.begins("[done cut cut]")
	e.letGo()
	e.becomes("cut", arkv1alpha1.QueryDone)
}

// TestExecutorReleases: a Query of an earlier release, which has a finalizer that
// nobody else removes, can be deleted, also while it is executed.
func TestExecutorReleases(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 1, aQuery("old", func(q *arkv1alpha1.Query) { q.Finalizers = []string{arkv1alpha1.Finalizer} }))
	e.tell("old")
	e.becomes("old", arkv1alpha1.QueryRunning)
	if err := e.Client.Delete(t.Context(), e.get("old")); err != nil {
		t.Fatal(err)
	}
	e.tell("old")
	e.becomes("old", arkv1alpha1.QueryCanceled)
	e.tell("old")
	var q arkv1alpha1.Query
	if err := e.Client.Get(t.Context(), types.NamespacedName{Namespace: "team", Name: "old"}, &q); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v, finalizers %v", err, q.Finalizers)
	}
}

func TestExecutorExpires(t *testing.T) {
	t.Parallel()
	e := newExecutors(t, 1, aQuery("short", func(q *arkv1alpha1.Query) { q.Spec.TTL = "1h" }))
	e.tell("short")
	e.letGo()
	e.becomes("short", arkv1alpha1.QueryDone)
	if result := e.tell("short"); result.RequeueAfter <= 0 || result.RequeueAfter > time.Hour+time.Second {
		t.Errorf("it comes back after %s, want its ttl", result.RequeueAfter)
	}
	e.clock.SetTime(time.Now().Add(2 * time.Hour))
	e.tell("short")
	var q arkv1alpha1.Query
	if err := e.Client.Get(t.Context(), types.NamespacedName{Namespace: "team", Name: "short"}, &q); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
}
