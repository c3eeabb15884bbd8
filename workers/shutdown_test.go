package workers

import (
	"context"
	"testing"
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// A worker that stops gives back what it has not finished; the attempt does not
// count.
func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	running := f.create(newQuery("team", "running"))
	waiting := f.create(newQuery("team", "waiting"))
	g := newGate()
	w := f.start(g, func(o *Options) { o.Concurrency = 1 })
	f.next(g.began)
	w.stop()
	if depth := f.queue(); depth["queued"] != 2 || depth["leased"] != 0 {
		t.Errorf("the queue is %v", depth)
	}
	for _, q := range []*arkv1alpha1.Query{running, waiting} {
		if got := f.get(key(q)); got.Status.Phase != arkv1alpha1.QueryQueued {
			t.Errorf("%s is %s", key(q), got.Status.Phase)
		}
	}
	f.outcomes(running, "released")
	f.outcomes(waiting)

	g.open <- struct{}{}
	g.open <- struct{}{}
	f.start(g)
	f.ended(key(running))
	f.ended(key(waiting))
	f.queueEmpty()
	f.outcomes(running, "done")
	if run := f.runs(running)[0]; run.Attempt != 1 || run.Message != "The Query was answered" {
		t.Errorf("unexpected run: %+v", run)
	}
}

// Executions that end within the grace period are stored; nothing new begins.
func TestStopWaitsForTheGracePeriod(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "running"))
	waiting := f.create(newQuery("team", "waiting"))
	g := newGate()
	w := f.start(g, func(o *Options) { o.Concurrency, o.GracePeriod = 1, deadline })
	f.next(g.began)
	w.cancel()
	g.open <- struct{}{}
	w.stop()
	checkEnd(t, f.get(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	if got := f.get(key(waiting)).Status.Phase; got != arkv1alpha1.QueryQueued {
		t.Errorf("the waiting Query is %s", got)
	}
}

// Cancelling still works while a worker drains.
func TestCancelDuringTheGracePeriod(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "running"))
	g := newGate()
	w := f.start(g, func(o *Options) { o.GracePeriod = deadline })
	f.next(g.began)
	w.cancel()
	f.update(key(q), cancelQuery)
	w.stop()
	checkEnd(t, f.get(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
}

// A stopping worker does not wait for a Runner that does not notice its end.
func TestStopDoesNotHang(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "deaf"))
	began, deaf := make(chan *arkv1alpha1.Query, 1), make(chan struct{})
	defer close(deaf)
	w := f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		<-deaf
		return answer("too late")
	}))
	f.next(began)
	w.stop()
	if depth := f.queue(); depth["queued"] != 1 {
		t.Errorf("the queue is %v", depth)
	}
	if got := f.get(key(q)); got.Status.Phase != arkv1alpha1.QueryQueued {
		t.Errorf("unexpected status: %+v", got.Status)
	}
}

// A worker can be stopped while it waits for a database that is not there.
func TestStopWithoutADatabase(t *testing.T) {
	t.Parallel()
	pool := newPool(t, "postgres://nobody@127.0.0.1:1/none", "workers")
	f := newFixture(t)
	w := f.start(newGate(), func(o *Options) { o.Pool = pool })
	ctx, cancel := context.WithTimeout(f.ctx, 100*time.Millisecond)
	defer cancel()
	if err := pool.Ping(ctx); err == nil {
		t.Fatal("there is a database")
	}
	w.stop()
}
