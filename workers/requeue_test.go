package workers

import (
	"testing"
	"time"

	"github.com/google/uuid"
	testclock "k8s.io/utils/clock/testing"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

func hold(q *arkv1alpha1.Query) {
	q.Annotations = map[string]string{arkv1alpha1.AnnotationHold: "true"}
}

// orphan is a Query that a worker executes which is dead then, while the only one
// that lives, and looks after the queue, has no slot free. between is what happens
// before the death.
func (f *fixture) orphan(between func(*arkv1alpha1.Query)) (*arkv1alpha1.Query, *gate) {
	f.Helper()
	busy := newGate()
	f.start(busy, func(o *Options) { o.Concurrency, o.Poll = 1, 20*time.Millisecond })
	f.create(newQuery("team", "busy"))
	f.next(busy.began)
	q := f.create(newQuery("team", "orphan"))
	victim := newGate()
	// Its clock stands still: it sends no heartbeat.
	f.start(victim, withClock(testclock.NewFakeClock(time.Now())), deaf)
	f.next(victim.began)
	f.phase(key(q), arkv1alpha1.QueryRunning)
	if between != nil {
		f.update(key(q), between)
	}
	f.outcomes(q, "running")
	if err := f.db.DeleteWorker(f.ctx, f.pool, f.runs(q)[0].Worker); err != nil {
		f.Fatal(err)
	}
	return q, busy
}

// A Query is not called running when nobody executes it, although no worker is
// free to take it up.
func TestOrphanIsQueued(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q, busy := f.orphan(nil)
	f.phase(key(q), arkv1alpha1.QueryQueued)
	if c := f.get(key(q)).Status.Conditions[0]; c.Reason != arkv1alpha1.ReasonQueryQueued {
		t.Errorf("the reason is %s", c.Reason)
	}
	busy.open <- struct{}{}
	busy.open <- struct{}{}
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
}

// A hold that came while it was executed counts once its worker is dead: it waits
// outside the queue until it is let go.
func TestHeldOrphanIsPending(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q, busy := f.orphan(hold)
	f.phase(key(q), arkv1alpha1.QueryPending)
	if c := f.get(key(q)).Status.Conditions[0]; c.Reason != arkv1alpha1.ReasonQueryNotStarted {
		t.Errorf("the reason is %s", c.Reason)
	}
	busy.open <- struct{}{}
	busy.open <- struct{}{}
	f.ended("team/busy")
	f.queueEmpty()
	if got := f.get(key(q)); got.Status.Phase != arkv1alpha1.QueryPending {
		t.Errorf("while it is held: %+v", got.Status)
	}
	f.update(key(q), func(q *arkv1alpha1.Query) {
		q.Annotations = nil
		execution.MarkQueued(q, time.Now())
	})
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
}

// A worker that stops gives a Query back that was held while it ran: that is
// pending, not queued.
func TestStopHoldsTheHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	w := f.start(g)
	f.next(g.began)
	f.update(key(q), hold)
	w.stop()
	if got := f.get(key(q)); got.Status.Phase != arkv1alpha1.QueryPending || len(f.queue()) > 0 {
		t.Errorf("phase %s, queue %v", got.Status.Phase, f.queue())
	}
}

// Who takes a Query up before it is said to wait is not written over.
func TestRequeueIsFenced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	f.leaseAndDie("host-1/1")
	f.update(key(q), func(q *arkv1alpha1.Query) { execution.MarkRunning(q, time.Now()) })
	worker := uuid.New()
	rows, err := f.db.Lease(f.ctx, f.pool, db.LeaseParams{Worker: worker, Now: time.Now(), BatchSize: 1})
	if err != nil || len(rows) != 1 {
		t.Fatalf("leased %+v, %v", rows, err)
	}
	w, err := New(Options{Pool: f.pool, Store: f.store, Runner: newGate()})
	if err != nil {
		t.Fatal(err)
	}
	before := f.stored(key(q)).rv
	row := db.ReturnExpiredLeasesRow{ID: rows[0].ID, Key: key(q), UID: string(q.UID), Attempt: 1}
	if err := w.requeue(f.ctx, row); err != nil {
		t.Fatal(err)
	}
	if after := f.stored(key(q)).rv; after != before {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	// What it would have written, had the entry waited.
	if err := f.db.ReturnLease(f.ctx, f.pool, db.ReturnLeaseParams{Now: time.Now(), ID: rows[0].ID, Worker: worker, Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	row.Attempt = 2
	if err := w.requeue(f.ctx, row); err != nil {
		t.Fatal(err)
	}
	f.phase(key(q), arkv1alpha1.QueryQueued)
}
