package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// writeQuery writes the step from old to updated under a key.
func writeQuery(t testing.TB, s *Store, key string, expect int64, old, updated *arkv1alpha1.Query, lease *Lease) (int64, error) {
	t.Helper()
	w := Write{Resource: ResourceQueries, Key: key, Expect: expect, Lease: lease,
		Query: QueryChangeOf(old, updated, time.Now())}
	if updated != nil {
		w.Body = []byte("{}")
	}
	return s.Write(within(t), w)
}

func mustWriteQuery(t testing.TB, s *Store, key string, expect int64, old, updated *arkv1alpha1.Query) int64 {
	t.Helper()
	rv, err := writeQuery(t, s, key, expect, old, updated, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rv
}

// queueState describes the entry of a key in a word.
func queueState(t testing.TB, pool *pgxpool.Pool, key string) string {
	t.Helper()
	return query[string](t, pool, `SELECT coalesce((SELECT state || CASE WHEN cancel THEN ' cancel' ELSE '' END
		FROM ark.queue WHERE key = $1), 'none')`, key)
}

func leaseOne(t testing.TB, pool *pgxpool.Pool) *Lease {
	t.Helper()
	worker := uuid.New()
	rows, err := db.New().Lease(within(t), pool, db.LeaseParams{BatchSize: 1, Worker: worker, Now: time.Now()})
	if err != nil || len(rows) != 1 {
		t.Fatalf("lease: %d rows, %v", len(rows), err)
	}
	return &Lease{ID: rows[0].ID, Worker: worker, Attempt: rows[0].Attempt}
}

// TestQueryAndQueueCommitTogether follows Queries through their lives.
func TestQueryAndQueueCommitTogether(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	held := aQuery(annotated(arkv1alpha1.AnnotationHold, "true"))
	running, done := aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryDone))
	steps := []struct {
		key          string
		old, updated *arkv1alpha1.Query
		want         string
	}{
		{"ns/a", nil, aQuery(), "queued"},
		{"ns/a", aQuery(), held, "none"},
		{"ns/a", held, aQuery(), "queued"},
		{"ns/a", aQuery(), aQuery(cancelled), "queued cancel"},
		{"ns/a", aQuery(cancelled), aQuery(cancelled, phase(arkv1alpha1.QueryCanceled)), "none"},
		{"ns/b", nil, aQuery(cancelled), "queued cancel"},
		{"ns/b", aQuery(cancelled), nil, "none"},
		{"ns/b", nil, aQuery(), "queued"},
		{"ns/b", aQuery(), running, "queued"},
		{"ns/b", running, done, "none"},
		{"ns/b", done, nil, "none"},
	}
	rvs := map[string]int64{}
	for i, step := range steps {
		rv := mustWriteQuery(t, s, step.key, rvs[step.key], step.old, step.updated)
		if step.updated == nil {
			rv = 0
		}
		rvs[step.key] = rv
		if got := queueState(t, pool, step.key); got != step.want {
			t.Fatalf("after step %d: %s, want %s", i, got, step.want)
		}
		rows := query[int64](t, pool, `SELECT count(*) FROM ark.queries WHERE key = $1`, step.key)
		if want := map[bool]int64{true: 1}[step.updated != nil]; rows != want {
			t.Fatalf("after step %d: %d rows of columns, want %d", i, rows, want)
		}
	}
	checkInvariants(t, pool)
}

func TestColumnsAreSanitized(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	mustWriteQuery(t, s, "ns/a", 0, nil, aQuery(func(q *arkv1alpha1.Query) { q.Spec.SessionID = "a\x00b\xffc" }))
	if got := query[string](t, pool, `SELECT session_id FROM ark.queries`); got != "ab\uFFFDc" {
		t.Errorf("got %q", got)
	}
}

// TestStrayEntryIsReplaced: an entry that another Query of the same name left, held
// or not, does not swallow a new one; the same Query is not enqueued twice.
func TestStrayEntryIsReplaced(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	o := newQueueOrder(t, pool)
	o.enqueue("ns", 1) // ns/1, uid 1
	o.check(o.q.CancelQueued(within(t), pool, []string{"ns/1"}))
	stray := leaseOne(t, pool)
	mustWriteQuery(t, s, "ns/1", 0, nil, aQuery(annotated(arkv1alpha1.AnnotationPriority, "3"), timeout("1m")))
	const entry = `SELECT concat_ws(' ', uid, rank, state, cancel, attempt, worker IS NULL, wait_ms, wait_until - enqueued_at, id > $1) FROM ark.queue`
	if got, want := query[string](t, pool, entry, stray.ID), "uid-q -3 queued f 0 t 60000 00:01:00 t"; got != want {
		t.Errorf("the entry is %s, want %s", got, want)
	}
	lease := leaseOne(t, pool)
	o.check(o.q.Enqueue(within(t), pool, db.EnqueueParams{
		Now: o.now, Keys: []string{"ns/1"}, Uids: []string{"uid-q"}, Namespaces: []string{"ns"}, Ranks: []int16{0}, WaitMs: []int64{1},
	}))
	if got, want := query[string](t, pool, entry, lease.ID), "uid-q -3 leased f 1 f 60000 00:01:00 f"; got != want {
		t.Errorf("the entry is %s, want %s", got, want)
	}
}

// TestTTLCountsFromTheEnd: an edit of spec.ttl after the end moves the due date.
func TestTTLCountsFromTheEnd(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	end := time.Unix(1_000_000, 0)
	done, edited := aQuery(phase(arkv1alpha1.QueryDone), completed(end)), aQuery(phase(arkv1alpha1.QueryDone), completed(end), ttl("10s"))
	created := mustWriteQuery(t, s, "ns/a", 0, nil, aQuery())
	if due := query[*time.Time](t, pool, `SELECT expires_at FROM ark.queries`); due != nil {
		t.Errorf("due at %s before its end", due)
	}
	rv := mustWriteQuery(t, s, "ns/a", created, aQuery(), done)
	if due, want := query[time.Time](t, pool, `SELECT expires_at FROM ark.queries`), end.Add(arkv1alpha1.DefaultQueryTTL); !due.Equal(want) {
		t.Errorf("due at %s, want %s", due, want)
	}
	mustWriteQuery(t, s, "ns/a", rv, done, edited)
	if due, want := query[time.Time](t, pool, `SELECT expires_at FROM ark.queries`), end.Add(10*time.Second); !due.Equal(want) {
		t.Errorf("due at %s, want %s", due, want)
	}
}

// TestLeaseFencesWrites: only who holds the lease writes, and the end of a Query
// takes the entry with it.
func TestLeaseFencesWrites(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	created := mustWriteQuery(t, s, "ns/a", 0, nil, aQuery())
	lease := leaseOne(t, pool)
	running, done := aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryDone))

	for name, wrong := range map[string]*Lease{
		"another worker":  {ID: lease.ID, Worker: uuid.New(), Attempt: lease.Attempt},
		"another attempt": {ID: lease.ID, Worker: lease.Worker, Attempt: lease.Attempt + 1},
		"another entry":   {ID: lease.ID + 1, Worker: lease.Worker, Attempt: lease.Attempt},
	} {
		if _, err := writeQuery(t, s, "ns/a", created, aQuery(), done, wrong); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s: %v, want %v", name, err, ErrLeaseLost)
		}
	}
	started, err := writeQuery(t, s, "ns/a", created, aQuery(), running, lease)
	if err != nil {
		t.Fatal(err)
	}
	var conflict *Conflict
	if _, err := writeQuery(t, s, "ns/a", created, running, done, lease); !errors.As(err, &conflict) {
		t.Errorf("write over a newer revision: %v, want a conflict", err)
	}
	if _, err := writeQuery(t, s, "ns/a", started, running, done, lease); err != nil {
		t.Fatal(err)
	}
	if got := queueState(t, pool, "ns/a"); got != "none" {
		t.Errorf("after the end: %s", got)
	}
	if _, err := writeQuery(t, s, "ns/a", started+1, done, done, lease); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("write after the end: %v, want %v", err, ErrLeaseLost)
	}
	checkInvariants(t, pool)
}

// TestWaitingFencesWrites: who returned an entry writes only while it still waits.
func TestWaitingFencesWrites(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	running := aQuery(phase(arkv1alpha1.QueryRunning))
	rv := mustWriteQuery(t, s, "ns/a", 0, nil, running)
	lease := leaseOne(t, pool)
	waits := &Lease{ID: lease.ID, Attempt: lease.Attempt}
	refused := func(when string) {
		t.Helper()
		if _, err := writeQuery(t, s, "ns/a", rv, running, aQuery(), waits); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s: %v, want %v", when, err, ErrLeaseLost)
		}
	}
	refused("while it is held")
	if _, err := db.New().ReturnExpiredLeases(within(t), pool, time.Now(), 10); err != nil {
		t.Fatal(err)
	}
	waits.Attempt++
	refused("as it will be later")
	waits.Attempt--
	hints := listenTo(within(t), t, pool, pg.ChannelQueue)
	rv, err := writeQuery(t, s, "ns/a", rv, running, aQuery(), waits)
	if err != nil {
		t.Errorf("while it waits: %v", err)
	}
	select { // a worker that looked while the entry was locked has passed it over
	case <-hints:
	case <-within(t).Done():
		t.Error("idle workers are not woken")
	}
	leaseOne(t, pool)
	refused("taken up again")
	mustWriteQuery(t, s, "ns/a", rv, aQuery(), nil)
	rv = 0
	refused("gone")
}

// TestOthersTellTheHolder: a cancellation or deletion by somebody else is
// notified; what the holder does itself is not.
func TestOthersTellTheHolder(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	ctx := within(t)
	hints := listenTo(ctx, t, pool, pg.ChannelLeases)
	a := mustWriteQuery(t, s, "ns/a", 0, nil, aQuery())
	lease := leaseOne(t, pool)
	running, done := aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryDone))
	started, err := writeQuery(t, s, "ns/a", a, aQuery(), running, lease)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writeQuery(t, s, "ns/a", started, running, done, lease); err != nil {
		t.Fatal(err)
	}
	b := mustWriteQuery(t, s, "ns/b", 0, nil, aQuery())
	mustWriteQuery(t, s, "ns/b", b, aQuery(), aQuery(cancelled))
	if got := <-hints; got.Channel != pg.ChannelLeases {
		t.Errorf("got %+v", got)
	}
	c := mustWriteQuery(t, s, "ns/c", 0, nil, aQuery())
	mustWriteQuery(t, s, "ns/c", c, aQuery(), nil)
	<-hints
	// A marker behind everything: there were no more than the two.
	execute(t, pool, "SELECT pg_notify($1, 'marker')", pg.ChannelLeases)
	if got := <-hints; got.Payload != "marker" {
		t.Errorf("one hint too many: the holder was told of what it did itself")
	}
}

type hint struct{ Channel, Payload string }

// listenTo reports what is notified on a channel.
func listenTo(ctx context.Context, t testing.TB, pool *pgxpool.Pool, channel string) <-chan hint {
	t.Helper()
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	hints, ended := make(chan hint, 100), make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		defer func() { _ = conn.Close(context.Background()) }()
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			hints <- hint{n.Channel, n.Payload}
		}
	}()
	return hints
}

// TestOneNotificationABatch: however many writes a batch has, and however large
// they are, it notifies once and without a payload.
func TestOneNotificationABatch(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	hints := listenTo(within(t), t, pool, pg.ChannelEvents)
	large := make([]byte, 1<<20)
	var writes []Write
	for _, key := range []string{"a", "b", "c", "d"} {
		writes = append(writes, Write{Resource: things, Key: key, Body: large})
	}
	for i, r := range together(t, s, pool, writes...) {
		if r.err != nil {
			t.Fatalf("write %d: %v", i, r.err)
		}
	}
	for range 2 { // the batch that began first, and the one behind it
		if got := <-hints; got.Payload != "" {
			t.Errorf("payload %q", got.Payload)
		}
	}
	execute(t, pool, "SELECT pg_notify($1, 'marker')", pg.ChannelEvents)
	if got := <-hints; got.Payload != "marker" {
		t.Error("more than one notification a batch")
	}
}
