package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
)

// queueOrder is a queue whose entries tests lease and end in turn.
type queueOrder struct {
	testing.TB
	pool   *pgxpool.Pool
	q      *db.Queries
	worker uuid.UUID
	now    time.Time
	count  int
}

func newQueueOrder(t testing.TB, pool *pgxpool.Pool) *queueOrder {
	return &queueOrder{TB: t, pool: pool, q: db.New(), worker: uuid.New(), now: time.Unix(1_000_000, 0)}
}

func (o *queueOrder) check(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// enqueue adds n entries of a namespace, with names that count.
func (o *queueOrder) enqueue(namespace string, n int) {
	o.Helper()
	arg := db.EnqueueParams{Now: o.now}
	for range n {
		o.count++
		arg.Keys = append(arg.Keys, fmt.Sprintf("%s/%d", namespace, o.count))
		arg.Uids = append(arg.Uids, fmt.Sprint(o.count))
		arg.Namespaces = append(arg.Namespaces, namespace)
		arg.Ranks = append(arg.Ranks, 0)
		arg.WaitMs = append(arg.WaitMs, 60_000)
	}
	o.check(o.q.Enqueue(within(o.TB), o.pool, arg))
}

// lease takes the next n entries, one by one, and returns their keys.
func (o *queueOrder) lease(n int) (keys []string) {
	o.Helper()
	for range n {
		rows, err := o.q.Lease(within(o.TB), o.pool, db.LeaseParams{Worker: o.worker, Now: o.now, BatchSize: 1})
		o.check(err)
		for _, row := range rows {
			keys = append(keys, row.Key)
		}
	}
	return keys
}

func (o *queueOrder) end(keys ...string) {
	o.Helper()
	o.check(o.q.Dequeue(within(o.TB), o.pool, keys))
}

// namespaces returns those of the next n entries, which are taken, as one text.
func (o *queueOrder) namespaces(n int) string {
	o.Helper()
	var all []string
	for _, key := range o.lease(n) {
		namespace, _, _ := strings.Cut(key, "/")
		all = append(all, namespace)
	}
	return strings.Join(all, "")
}

// An old lease that is still held, or goes back, does not take service back to
// where it stood when that began: a namespace that comes now takes turns with one
// that has waited.
func TestServiceDoesNotGoBack(t *testing.T) {
	t.Parallel()
	tests := map[string]func(o *queueOrder, slow string){
		"held":     func(*queueOrder, string) {},
		"returned": func(o *queueOrder, _ string) { o.returnAll() },
		"given back": func(o *queueOrder, _ string) {
			_, err := o.q.ReleaseOtherLeases(within(o.TB), o.pool, db.ReleaseOtherLeasesParams{Now: o.now, Worker: o.worker})
			o.check(err)
		},
		"given back alone": func(o *queueOrder, slow string) {
			id := query[int64](o.TB, o.pool, "SELECT id FROM ark.queue WHERE key = $1", slow)
			o.check(o.q.ReturnLease(within(o.TB), o.pool, db.ReturnLeaseParams{Now: o.now, ID: id, Worker: o.worker, Attempt: 1}))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, pool := fresh(t)
			o := newQueueOrder(t, pool)
			o.enqueue("a", 100)
			slow := o.lease(1)[0]
			o.end(o.lease(50)...)
			change(o, slow)
			o.enqueue("b", 20)
			if name != "held" {
				if again := o.lease(1); !slices.Equal(again, []string{slow}) {
					t.Errorf("%v was leased before %s, which came back", again, slow)
				}
			}
			if got, want := o.namespaces(10), "ababababab"; got != want {
				t.Errorf("the order is %s, want %s", got, want)
			}
		})
	}
}

func (o *queueOrder) returnAll() {
	o.Helper()
	_, err := o.q.ReturnExpiredLeases(within(o.TB), o.pool, o.now, 1000)
	o.check(err)
}

// Entries that are taken because their wait is over say nothing about how far
// service has come: a newcomer is not put behind them.
func TestEndsOutOfTurnDoNotCount(t *testing.T) {
	t.Parallel()
	_, pool := fresh(t)
	o := newQueueOrder(t, pool)
	o.enqueue("a", 100)
	last := fmt.Sprintf("a/%d", o.count)
	o.check(o.q.CancelQueued(within(t), pool, []string{last}))
	rows, err := o.q.LeaseDue(within(t), pool, db.LeaseDueParams{Worker: o.worker, Now: o.now, BatchSize: 10})
	if err != nil || len(rows) != 1 || rows[0].Key != last {
		t.Fatalf("due: %+v, %v", rows, err)
	}
	o.enqueue("b", 3)
	if got, want := o.namespaces(6), "ababab"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// A namespace that was away for long starts level with the others: neither before
// nor behind them.
func TestReturnIsNotPunished(t *testing.T) {
	t.Parallel()
	_, pool := fresh(t)
	o := newQueueOrder(t, pool)
	o.enqueue("b", 100)
	o.end(o.lease(100)...)
	o.enqueue("a", 100)
	o.end(o.lease(30)...)
	o.enqueue("b", 3)
	o.enqueue("c", 3)
	if got, want := o.namespaces(9), "abcabcabc"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// An edit of the priority or the timeout moves an entry that waits: the namespaces
// take turns there too, and the wait counts from when it began.
func TestReschedule(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	o := newQueueOrder(t, pool)
	o.enqueue("a", 4)
	o.enqueue("b", 4)
	o.check(o.q.CancelQueued(within(t), pool, []string{"b/8"}))
	o.check(o.q.Reschedule(within(t), pool, db.RescheduleParams{
		Keys: []string{"a/3", "a/4", "b/7", "b/8"}, Namespaces: []string{"a", "a", "b", "b"},
		Ranks: []int16{-1, -1, -1, 0}, WaitMs: []int64{90_000, 90_000, 30_000, 1_000},
	}))
	const waits = `SELECT string_agg(key || ' ' || extract(epoch FROM wait_until - $1)::int, ',' ORDER BY key) FROM ark.queue WHERE key = ANY ($2)`
	got := query[string](t, pool, waits, o.now, []string{"a/1", "a/3", "b/7", "b/8"})
	if want := "a/1 60,a/3 90,b/7 30,b/8 0"; got != want {
		t.Errorf("the waits are %s, want %s", got, want)
	}
	if got, want := strings.Join(o.lease(8), " "), "a/3 b/7 a/4 a/1 b/5 a/2 b/6 b/8"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}

	// Through a write, and not while it is executed.
	q, urgent := aQuery(), aQuery(annotated(arkv1alpha1.AnnotationPriority, "5"), timeout("1m"))
	rv := mustWriteQuery(t, s, "ns/q", 0, nil, q)
	rv = mustWriteQuery(t, s, "ns/q", rv, q, urgent)
	const place = `SELECT rank || ' ' || wait_ms FROM ark.queue WHERE key = 'ns/q'`
	if got, want := query[string](t, pool, place), "-5 60000"; got != want {
		t.Errorf("after the edit: %s, want %s", got, want)
	}
	leaseOne(t, pool)
	mustWriteQuery(t, s, "ns/q", rv, urgent, q)
	if got, want := query[string](t, pool, place), "-5 60000"; got != want {
		t.Errorf("after an edit while it is executed: %s, want %s", got, want)
	}
}
