package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

// deaf workers get no hints.
func deaf(o *Options) {
	o.Subscribe = func(ctx context.Context, _ func(string)) { <-ctx.Done() }
}

func withClock(c clock.WithTicker) func(*Options) { return func(o *Options) { o.Clock = c } }

// A worker stands still; another takes its Query up. When the first goes on, it
// can write nothing.
func TestStaleWorkerCannotWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	now := time.Now()
	stale, fresh := newGate(), newGate()
	// Its clock stands still: it sends no heartbeat, and sees no lease expire. It
	// does not hear either that there is work again.
	f.start(stale, withClock(testclock.NewFakeClock(now)), deaf, func(o *Options) { o.Name = "stale" })
	f.next(stale.began)
	f.start(fresh, withClock(testclock.NewFakeClock(now.Add(time.Minute))), func(o *Options) { o.Name = "fresh" })
	f.next(fresh.began)

	stale.open <- struct{}{}
	f.eventually("the stale worker found out", func() bool { return f.runs(q)[0].Outcome == "lost" })
	if got := f.get(key(q)); got.Status.Phase != arkv1alpha1.QueryRunning {
		t.Fatalf("the stale worker wrote %+v", got.Status)
	}
	fresh.open <- struct{}{}
	f.ended(key(q))
	f.queueEmpty()
	f.outcomes(q, "lost", "done")
	runs := f.runs(q)
	if runs[0].WorkerName != "stale" || runs[1].WorkerName != "fresh" || runs[1].Attempt != 2 {
		t.Errorf("unexpected runs: %+v", runs)
	}
}

// The leases expire by the worker's own clock: it cuts its executions off, and
// registers anew.
func TestSilentWorkerCutsItselfOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	c := testclock.NewFakeClock(time.Now())
	began, cause := make(chan *arkv1alpha1.Query, 2), make(chan error, 1)
	var times atomic.Int32
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		if times.Add(1) > 1 {
			return answer("the second time")
		}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return cutOffOutcome(ctx, q)
	}), withClock(c))
	f.next(began)
	f.forgetWorkers()
	c.Step(6 * time.Second) // the next heartbeat finds no row
	if err := <-cause; !errors.Is(err, execution.ErrLeaseLost) || !errors.Is(err, errForgotten) {
		t.Errorf("the cause is %v", err)
	}
	f.eventually("the Query was executed again", func() bool {
		c.Step(time.Second)
		return f.get(key(q)).Status.Phase == arkv1alpha1.QueryDone
	})
	f.outcomes(q, "lost", "done")
}

// A worker gets an entry back while its own first execution of it has not ended:
// both are known, and only the first is cut off.
func TestSameEntryTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	g := newGate()
	f.start(g, withClock(testclock.NewFakeClock(time.Now())))
	f.next(g.began)
	if _, err := f.db.ReturnExpiredLeases(f.ctx, f.pool, time.Now().Add(time.Hour), 10); err != nil {
		t.Fatal(err)
	}
	if err := f.db.NotifyQueue(f.ctx, f.pool); err != nil {
		t.Fatal(err)
	}
	f.next(g.began)
	if err := f.db.NotifyLeases(f.ctx, f.pool); err != nil {
		t.Fatal(err)
	}
	f.eventually("the first was cut off", func() bool { runs := f.runs(q); return len(runs) > 0 && runs[0].Outcome == "lost" })
	g.open <- struct{}{}
	f.ended(key(q))
	f.outcomes(q, "lost", "done")
}

// forgetWorkers makes the database forget all workers, as if they were dead.
func (f *fixture) forgetWorkers() {
	f.Helper()
	for _, run := range f.runningWorkers() {
		if err := f.db.DeleteWorker(f.ctx, f.pool, run); err != nil {
			f.Fatal(err)
		}
	}
}

// runningWorkers are those that have taken a Query up.
func (f *fixture) runningWorkers() []uuid.UUID {
	f.Helper()
	var ids []uuid.UUID
	f.eventually("a worker has begun something", func() bool {
		page, err := f.store.List(f.ctx, everyQuery, 1000)
		if err != nil {
			f.Fatal(err)
		}
		for _, o := range page.Objects {
			q, err := f.codec.decode(f.ctx, o.Key, o.RV, o.Body)
			if err != nil {
				f.Fatal(err)
			}
			for _, run := range f.runs(q.query) {
				ids = append(ids, run.Worker)
			}
		}
		return len(ids) > 0
	})
	return ids
}

// lease takes what there is as a worker that is dead already.
func (f *fixture) leaseAndDie(workerName string) {
	f.Helper()
	id := uuid.New()
	rows, err := f.db.Lease(f.ctx, f.pool, db.LeaseParams{Worker: id, Now: time.Now(), BatchSize: 100})
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range rows {
		namespace, name, _ := strings.Cut(row.Key, "/")
		err := f.db.StartRun(f.ctx, f.pool, db.StartRunParams{
			UID: row.UID, Attempt: row.Attempt, Namespace: namespace, Name: name,
			Worker: id, WorkerName: workerName, EnqueuedAt: row.EnqueuedAt, StartedAt: time.Now(),
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	if _, err := f.db.ReturnExpiredLeases(f.ctx, f.pool, time.Now(), 100); err != nil {
		f.Fatal(err)
	}
}

// A Query that kills every worker is given up, and says how often and where.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	for _, died := range []int{4, 5} {
		t.Run(fmt.Sprint(died), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			q := f.create(newQuery("team", "one"))
			for i := range died {
				f.leaseAndDie(fmt.Sprintf("host-%d/1", i+1))
			}
			g := newGate()
			g.open <- struct{}{}
			f.start(g, func(o *Options) { o.MaxAttempts = 5 })
			got := f.ended(key(q))
			f.queueEmpty()
			if died < 5 {
				checkEnd(t, got, arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
				f.outcomes(q, "lost", "lost", "lost", "lost", "done")
				return
			}
			checkEnd(t, got, arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored)
			if c := got.Status.Response.Content; !strings.Contains(c, "5 attempts") || !strings.Contains(c, "host-5/1") {
				t.Errorf("the message does not tell enough: %s", c)
			}
			if len(g.began) > 0 {
				t.Error("it was executed once more")
			}
			f.outcomes(q, "lost", "lost", "lost", "lost", "lost")
		})
	}
}

// Entries whose Query is finished, gone or another one are dropped, and what
// stands there stays.
func TestStrayEntriesAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	finished := newQuery("team", "finished")
	answer("before").Apply(finished, time.Now())
	f.create(finished)
	other := f.create(newQuery("team", "other", func(q *arkv1alpha1.Query) { answer("other").Apply(q, time.Now()) }))
	err := f.db.Enqueue(f.ctx, f.pool, db.EnqueueParams{
		Now: time.Now(), Keys: []string{key(finished), key(other), "team/gone"},
		Uids:       []string{string(finished.UID), "another-uid", "gone-uid"},
		Namespaces: []string{"team", "team", "team"}, Ranks: []int16{0, 0, 0}, WaitMs: []int64{1e6, 1e6, 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := f.stored(key(finished)).rv
	g := newGate()
	f.start(g)
	f.queueEmpty()
	if after := f.stored(key(finished)).rv; after != before || len(g.began) > 0 {
		t.Errorf("a finished Query was touched: revision %d, then %d; executed: %d", before, after, len(g.began))
	}
}

// A lease whose answer was lost is given back by the worker that holds it
// without knowing.
func TestUnknownLeasesAreGivenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	w, err := New(Options{Pool: f.pool, Store: f.store, Runner: newGate()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.register(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Lease(f.ctx, f.pool, db.LeaseParams{Worker: s.id, Now: time.Now(), BatchSize: 10}); err != nil {
		t.Fatal(err)
	}
	l := &leaser{session: s, unsure: true}
	if err := l.reconcile(f.ctx); err != nil || l.unsure {
		t.Fatalf("reconcile: %v", err)
	}
	rows, err := f.db.Lease(f.ctx, f.pool, db.LeaseParams{Worker: s.id, Now: time.Now(), BatchSize: 10})
	if err != nil || len(rows) != 1 || rows[0].Key != key(q) || rows[0].Attempt != 1 {
		t.Errorf("leased again: %+v, %v", rows, err)
	}
}

// The lost answer may be that of a lease on an entry whose earlier attempt the
// worker still knows: that one hides nothing.
func TestUnknownLeaseOfAKnownEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(newQuery("team", "one"))
	w, err := New(Options{Pool: f.pool, Store: f.store, Runner: newGate()})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(f.ctx, w)
	lease := func() db.LeaseRow {
		t.Helper()
		rows, err := f.db.Lease(f.ctx, f.pool, db.LeaseParams{Worker: s.id, Now: time.Now(), BatchSize: 10})
		if err != nil || len(rows) != 1 {
			t.Fatalf("leased %+v, %v", rows, err)
		}
		return rows[0]
	}
	s.held.add(&entry{LeaseRow: lease()})
	l := &leaser{session: s}
	reconcile := func() {
		t.Helper()
		if err := l.reconcile(f.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if reconcile(); f.queue()["leased"] != 1 {
		t.Error("a lease that is known was given back")
	}
	if _, err := f.db.ReturnExpiredLeases(f.ctx, f.pool, time.Now(), 10); err != nil {
		t.Fatal(err)
	}
	if row := lease(); row.Attempt != 2 {
		t.Fatalf("leased again: %+v", row)
	}
	if reconcile(); f.queue()["queued"] != 1 {
		t.Error("a lease that is not known was kept")
	}
}

// What cannot be executed now is taken up again, not kept for ever.
func TestUndecodableQueryGoesRound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := newQuery("team", "one")
	good, err := f.codec.marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	w := f.writeBody(q, 0, []byte("no JSON"))
	c := testclock.NewFakeClock(time.Now())
	g := newGate()
	g.open <- struct{}{}
	f.start(g, withClock(c))
	f.eventually("it was tried", func() bool { return f.queue()["leased"] == 1 })
	f.writeBody(q, w, good)
	f.eventually("it is executed", func() bool {
		c.Step(time.Second)
		return f.get(key(q)).Status.Phase == arkv1alpha1.QueryDone
	})
}
