package workers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

func cancelQuery(q *arkv1alpha1.Query) { q.Spec.Cancel = true; q.Generation++ }

func checkEnd(t *testing.T, q *arkv1alpha1.Query, phase arkv1alpha1.QueryPhase, reason string) {
	t.Helper()
	if q.Status.Phase != phase {
		t.Errorf("phase is %q, want %q: %+v", q.Status.Phase, phase, q.Status)
	}
	for _, c := range q.Status.Conditions {
		if c.Type == arkv1alpha1.ConditionCompleted && (c.Status != metav1.ConditionTrue || c.Reason != reason) {
			t.Errorf("Completed is %s/%s, want True/%s", c.Status, c.Reason, reason)
		}
	}
}

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	f.start(g)
	f.next(g.began)
	f.update(key(q), cancelQuery)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	f.queueEmpty()
	f.outcomes(q, "canceled")
}

// A Query that waits is ended although no slot is free, and never executed.
func TestCancelQueued(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.start(g, func(o *Options) { o.Concurrency = 1 })
	f.create(newQuery("team", "busy"))
	f.next(g.began)
	q := f.create(newQuery("team", "waits"))
	f.update(key(q), cancelQuery)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	f.phase("team/busy", arkv1alpha1.QueryRunning)
	g.open <- struct{}{}
	f.ended("team/busy")
	f.queueEmpty()
	if len(g.began) > 0 || len(f.runs(q)) > 0 {
		t.Error("a cancelled Query was executed")
	}
}

func TestCancelBeforeAnyWorker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one", cancelQuery))
	g := newGate()
	f.start(g)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	if len(g.began) > 0 {
		t.Error("a cancelled Query was executed")
	}
}

// A cancel that comes after the end changes nothing.
func TestCancelFinished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	g.open <- struct{}{}
	f.start(g)
	f.ended(key(q))
	f.update(key(q), cancelQuery)
	f.queueEmpty()
	checkEnd(t, f.get(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
}

// Deleting a running Query cuts its execution off, and nothing is written.
func TestDeleteRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	began, cause := make(chan *arkv1alpha1.Query, 1), make(chan error, 1)
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return cutOffOutcome(ctx, q)
	}))
	f.next(began)
	f.delete(key(q))
	if err := <-cause; !errors.Is(err, execution.ErrLeaseLost) {
		t.Errorf("the cause is %v", err)
	}
	f.outcomes(q, "lost")
	f.queueEmpty()
	if o, _, err := f.store.Get(f.ctx, "queries.ark.mckinsey.com", key(q)); err != nil || o.RV != 0 {
		t.Errorf("the Query came back: %+v, %v", o, err)
	}
}

// A Query of the same name is another one: what was leased for the first is
// never written to the second.
func TestRecreatedWhileRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.create(newQuery("team", "one"))
	release := make(chan struct{})
	began := make(chan *arkv1alpha1.Query, 2)
	f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		if q.UID == first.UID {
			<-release // does not notice that it is cut off
		}
		return answer("for " + string(q.UID))
	}))
	f.next(began)
	f.delete(key(first))
	second := f.create(newQuery("team", "one"))
	if q := f.next(began); q.UID != second.UID {
		t.Fatalf("executed again: %s", q.UID)
	}
	f.ended(key(second))
	close(release)
	f.outcomes(first, "lost")
	if got := f.get(key(second)); got.UID != second.UID || got.Status.Response.Content != "for "+string(second.UID) {
		t.Errorf("unexpected Query: %s, %+v", got.UID, got.Status)
	}
}

// With a finalizer of somebody else, a deletion ends the Query like a cancel.
func TestDeleteWithFinalizer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one", func(q *arkv1alpha1.Query) { q.Finalizers = []string{"example.com/mine"} }))
	g := newGate()
	f.start(g)
	f.next(g.began)
	f.update(key(q), func(q *arkv1alpha1.Query) { now := metav1.Now(); q.DeletionTimestamp = &now })
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	f.queueEmpty()
}

func TestTimeoutInQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.start(g, func(o *Options) { o.Concurrency = 1 })
	f.create(newQuery("team", "busy"))
	f.next(g.began)
	q := f.create(newQuery("team", "waits", func(q *arkv1alpha1.Query) { q.Spec.Timeout = "10ms" }))
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue)
	if got.Status.Response == nil || !strings.Contains(got.Status.Response.Content, "10ms") {
		t.Errorf("the response does not tell: %+v", got.Status.Response)
	}
	if len(g.began) > 0 || len(f.runs(q)) > 0 {
		t.Error("a Query whose timeout has passed was executed")
	}
	g.open <- struct{}{}
	f.ended("team/busy")
}

// The timeout of a Query that waits is the one that it has now.
func TestTimeoutInQueueFollowsTheEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.start(g, func(o *Options) { o.Concurrency = 1 })
	f.create(newQuery("team", "busy"))
	f.next(g.began)
	q := f.create(newQuery("team", "waits", func(q *arkv1alpha1.Query) { q.Spec.Timeout = "1h" }))
	f.update(key(q), func(q *arkv1alpha1.Query) { q.Spec.Timeout = "20ms" })
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue)
	if c := got.Status.Response.Content; !strings.Contains(c, "20ms") || !strings.HasPrefix(c, "No worker") {
		t.Errorf("the response does not tell: %s", c)
	}
}

// A Query that was executed, came back and then waited too long is told so, with
// the timeout that counted.
func TestTimeoutAfterAnAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one", func(q *arkv1alpha1.Query) { q.Spec.Timeout = "10ms" }))
	f.leaseAndDie("host-1/1")
	f.eventually("its wait is over", func() bool { return f.overdue(key(q)) })
	g := newGate()
	f.start(g)
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue)
	if c := got.Status.Response.Content; !strings.Contains(c, "again within spec.timeout (10ms)") {
		t.Errorf("the response does not tell: %s", c)
	}
}

// overdue tells whether the wait of an entry is over.
func (f *fixture) overdue(key string) (over bool) {
	f.Helper()
	if err := f.pool.QueryRow(f.ctx, "SELECT wait_until <= $1 FROM ark.queue WHERE key = $2", time.Now(), key).Scan(&over); err != nil {
		f.Fatal(err)
	}
	return over
}

// Somebody labels the Query and changes its spec while it runs: both stay, and
// the status comes to what is there.
func TestConflictIsMerged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	f.start(g)
	f.next(g.began)
	f.update(key(q), func(q *arkv1alpha1.Query) {
		q.Labels = map[string]string{"seen": "yes"}
		q.Spec.TTL, q.Generation = "1h", 2
	})
	g.open <- struct{}{}
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	if got.Labels["seen"] != "yes" || got.Spec.TTL != "1h" || got.Generation != 2 {
		t.Errorf("what others wrote is lost: %+v", got)
	}
	f.outcomes(q, "done")
}

// Somebody else ends the Query: that stays, and the worker stores nothing.
func TestEndedByAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	f.start(g)
	f.next(g.began)
	f.update(key(q), func(q *arkv1alpha1.Query) { answer("by hand").Apply(q, metav1.Now().Time) })
	g.open <- struct{}{}
	f.outcomes(q, "lost")
	if got := f.get(key(q)); got.Status.Response.Content != "by hand" {
		t.Errorf("unexpected status: %+v", got.Status)
	}
	f.queueEmpty()
}
