package keep

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	testclock "k8s.io/utils/clock/testing"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

// fixture is a queue with a worker that is alive and one that is dead.
type fixture struct {
	*testing.T
	ctx         context.Context
	pool        *pgxpool.Pool
	q           *db.Queries
	clock       *testclock.FakeClock
	alive, dead uuid.UUID
	// returned are the keys that were told to be back in the queue.
	returned chan string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		T: t, ctx: t.Context(), pool: pgtest.DB(t), q: db.New(),
		clock: testclock.NewFakeClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)),
		alive: uuid.New(), dead: uuid.New(), returned: make(chan string, 100),
	}
	now := f.clock.Now()
	f.register(f.alive, now.Add(time.Hour))
	f.register(f.dead, now)
	return f
}

func (f *fixture) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) register(id uuid.UUID, until time.Time) {
	f.Helper()
	f.check(f.q.PutWorker(f.ctx, f.pool, db.PutWorkerParams{
		ID: id, Name: "host/1", Concurrency: 1, StartedAt: f.clock.Now(), AliveUntil: until,
	}))
}

// lease enqueues a Query and has a worker begin it.
func (f *fixture) lease(name string, worker uuid.UUID) db.LeaseRow {
	f.Helper()
	now := f.clock.Now()
	f.check(f.q.Enqueue(f.ctx, f.pool, db.EnqueueParams{
		Now: now, Keys: []string{"team/" + name}, Uids: []string{name}, Namespaces: []string{"team"}, Ranks: []int16{0}, WaitMs: []int64{60_000},
	}))
	rows, err := f.q.Lease(f.ctx, f.pool, db.LeaseParams{Worker: worker, Now: now, BatchSize: 1})
	f.check(err)
	f.check(f.q.StartRun(f.ctx, f.pool, db.StartRunParams{
		UID: name, Attempt: rows[0].Attempt, Namespace: "team", Name: name, Worker: worker, WorkerName: "host/1", EnqueuedAt: now, StartedAt: now,
	}))
	return rows[0]
}

func (f *fixture) outcome(uid string) string {
	f.Helper()
	runs, err := f.q.ListRuns(f.ctx, f.pool, uid, 10)
	f.check(err)
	if len(runs) == 0 {
		return "forgotten"
	}
	return runs[len(runs)-1].Outcome
}

func (f *fixture) keeper() *keeper {
	return &keeper{Options: f.options(), db: f.q}
}

func (f *fixture) options() Options {
	return Options{
		Pool: f.pool, Clock: f.clock, Every: time.Second, RunRetention: time.Hour,
		Returned: func(_ context.Context, rows []db.ReturnExpiredLeasesRow) {
			for _, row := range rows {
				f.returned <- row.Key
			}
		},
	}
}

// Only what dead workers hold goes back; a wait begins afresh, a cancelled entry
// is due at once, and idle workers are told.
func TestReturnExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.lease("kept", f.alive)
	f.lease("lost", f.dead)
	f.lease("cancelled", f.dead)
	f.check(f.q.CancelQueued(f.ctx, f.pool, []string{"team/cancelled"}))
	heard := make(chan string, 10)
	go pg.Listen(f.ctx, f.pool.Config().ConnConfig, []string{pg.ChannelQueue}, func(channel string) { heard <- channel })
	if channel := <-heard; channel != pg.Connected {
		t.Fatalf("heard %q", channel)
	}
	f.clock.Step(10 * time.Minute)
	full, err := f.keeper().returnExpired(f.ctx)
	if err != nil || full {
		t.Fatalf("full %t, %v", full, err)
	}
	if channel := <-heard; channel != pg.ChannelQueue {
		t.Errorf("heard %q", channel)
	}
	told := []string{<-f.returned, <-f.returned}
	if slices.Sort(told); !slices.Equal(told, []string{"team/cancelled", "team/lost"}) || len(f.returned) > 0 {
		t.Errorf("told of %v, and %d more", told, len(f.returned))
	}
	for uid, want := range map[string]string{"kept": "running", "lost": "lost", "cancelled": "lost"} {
		if got := f.outcome(uid); got != want {
			t.Errorf("the run of %s is %s, want %s", uid, got, want)
		}
	}
	due, err := f.q.LeaseDue(f.ctx, f.pool, db.LeaseDueParams{Worker: f.alive, Now: f.clock.Now(), BatchSize: 10})
	f.check(err)
	if len(due) != 1 || due[0].UID != "cancelled" || due[0].Attempt != 2 || !due[0].Cancel {
		t.Errorf("due: %+v", due)
	}
	again, err := f.q.Lease(f.ctx, f.pool, db.LeaseParams{Worker: f.alive, Now: f.clock.Now(), BatchSize: 10})
	f.check(err)
	if len(again) != 1 || again[0].UID != "lost" || again[0].Attempt != 2 || again[0].Overdue {
		t.Errorf("leased again: %+v", again)
	}
}

// What nobody told a Query, its status shows: it is told later, and no other.
func TestTell(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.lease("held", f.alive)
	f.lease("untold", f.dead)
	f.lease("told", f.dead)
	f.lease("renamed", f.dead)
	f.put("held", "held", "running")
	f.put("untold", "untold", "running")
	f.put("told", "told", "queued")
	f.put("renamed", "another", "running")
	k := f.keeper()
	if _, err := k.returnExpired(f.ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-f.returned
	}
	if _, err := k.tell(f.ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-f.returned; got != "team/untold" || len(f.returned) > 0 {
		t.Errorf("told %s, and %d more", got, len(f.returned))
	}
}

// put stores the columns of a Query.
func (f *fixture) put(name, uid, phase string) {
	f.Helper()
	none := []string{""}
	zero, never := []int64{0}, []time.Time{{}}
	f.check(f.q.PutQueries(f.ctx, f.pool, db.PutQueriesParams{
		Keys: []string{"team/" + name}, Namespaces: []string{"team"}, Names: []string{name}, Uids: []string{uid}, Phases: []string{phase},
		TargetTypes: none, TargetNames: none, SessionIds: none, ConversationIds: none,
		CreatedAt: []time.Time{f.clock.Now()}, CompletedAt: never, ExpiresAt: never,
		PromptTokens: zero, CompletionTokens: zero, TotalTokens: zero, CachedTokens: zero,
	}))
}

// A run whose worker could not record its end is ended, and the truth, should it
// come later, takes its place.
func TestEndThatWasNotRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row := f.lease("one", f.dead)
	f.check(f.q.Dequeue(f.ctx, f.pool, []string{"team/one"}))
	if _, err := f.keeper().returnExpired(f.ctx); err != nil {
		t.Fatal(err)
	}
	if got := f.outcome("one"); got != "lost" {
		t.Errorf("the run is %s", got)
	}
	f.check(f.q.EndRun(f.ctx, f.pool, db.EndRunParams{EndedAt: f.clock.Now(), Outcome: "done", UID: "one", Attempt: row.Attempt, Worker: f.dead}))
	if got := f.outcome("one"); got != "done" {
		t.Errorf("the run is %s", got)
	}
}

// Dead workers are forgotten once they hold nothing, old runs once they ended.
func TestForget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row := f.lease("old", f.dead)
	f.lease("running", f.alive)
	f.check(f.q.EndRun(f.ctx, f.pool, db.EndRunParams{EndedAt: f.clock.Now(), Outcome: "done", UID: "old", Attempt: row.Attempt, Worker: f.dead}))
	f.clock.Step(30 * time.Minute)
	f.lease("young", f.alive)
	k := f.keeper()
	f.clock.Step(45 * time.Minute)
	if _, err := k.forget(f.ctx); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[string]string{"old": "forgotten", "running": "running", "young": "running"} {
		if got := f.outcome(uid); got != want {
			t.Errorf("the run of %s is %s, want %s", uid, got, want)
		}
	}
	if n := f.extend(f.dead); n != 1 {
		t.Error("a worker that holds something was forgotten")
	}
	f.check(f.q.Dequeue(f.ctx, f.pool, []string{"team/old"}))
	f.clock.Step(2 * time.Hour)
	if _, err := k.forget(f.ctx); err != nil {
		t.Fatal(err)
	}
	if n := f.extend(f.dead); n != 0 {
		t.Error("a worker that died long ago was not forgotten")
	}
}

func (f *fixture) extend(id uuid.UUID) int64 {
	f.Helper()
	n, err := f.q.Heartbeat(f.ctx, f.pool, f.clock.Now(), id)
	f.check(err)
	return n
}

// Run does all of it, by the clock, and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.lease("one", f.dead)
	ctx, cancel := context.WithCancel(f.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, f.options())
	}()
	await(t, "the first lease went back", func() bool { return f.outcome("one") == "lost" })
	f.lease("two", f.dead)
	f.check(f.q.Dequeue(f.ctx, f.pool, []string{"team/one"}))
	await(t, "the next one went back too", func() bool {
		f.clock.Step(2 * time.Second)
		return f.outcome("two") == "lost"
	})
	cancel()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("Run did not end")
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it never became true that %s", what)
		}
	}
}
