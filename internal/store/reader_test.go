package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

// TestEventsInOrderOnceEverywhere: the events of writers of two stores reach the
// subscribers of both, in the order of revisions, each once, none left out.
func TestEventsInOrderOnceEverywhere(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	stores := []*Store{open(t, pool), open(t, pool)}
	const writers, writes = 16, 30
	var subs []*Subscription
	for _, s := range stores {
		for range 3 {
			u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
			t.Cleanup(u.Close)
			subs = append(subs, u)
		}
	}
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			rv := int64(0)
			for i := range writes {
				rv = put(t, stores[n%2], fmt.Sprintf("ns/%d", n), rv, fmt.Sprint(i))
			}
		})
	}
	for i, u := range subs {
		for j, e := range collect(t, u, writers*writes) {
			if e.RV != int64(j+2) {
				t.Fatalf("subscription %d: event %d has revision %d, want %d", i, j, e.RV, j+2)
			}
		}
	}
	wg.Wait()
}

func TestScopes(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	keys := []string{"ns/a", "ns/b", "ns-2/a", "other/a", "a"}
	tests := map[string]struct {
		subscribe Subscribe
		want      string
	}{
		"all":            {Subscribe{Recursive: true}, "ns/a ns/b ns-2/a other/a a"},
		"a namespace":    {Subscribe{Recursive: true, Key: "ns/"}, "ns/a ns/b"},
		"one":            {Subscribe{Key: "ns/b"}, "ns/b"},
		"without a name": {Subscribe{Key: "a"}, "a"},
	}
	subs := map[string]*Subscription{}
	for name, test := range tests {
		test.subscribe.Resource, test.subscribe.After = things, 1
		subs[name] = s.Subscribe(test.subscribe)
		t.Cleanup(subs[name].Close)
	}
	for _, key := range keys {
		put(t, s, key, 0, "x")
	}
	for name, test := range tests {
		late := test.subscribe
		late.Resource, late.After = things, 1
		history := s.Subscribe(late)
		t.Cleanup(history.Close)
		for kind, u := range map[string]*Subscription{"live": subs[name], "history": history} {
			var got []string
			for _, e := range collect(t, u, len(strings.Fields(test.want))) {
				got = append(got, e.Key)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s, %s: got %v, want %s", name, kind, got, test.want)
			}
		}
	}
}

// TestSlowSubscriberMissesNothing: one that does not read while more happens than
// memory holds for it reads the rest from the table and rejoins, while others are
// not held up.
func TestSlowSubscriberMissesNothing(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	slow := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(slow.Close)
	quick := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(quick.Close)
	put(t, s, "first", 0, "x")
	collect(t, slow, 1)
	collect(t, quick, 1)

	large := strings.Repeat("x", maxRingBytes/32)
	const n = 80 // more than the queue and the ring hold
	for i := range n {
		put(t, s, fmt.Sprint(i), 0, large)
		collect(t, quick, 1)
	}
	slow.mu.Lock()
	lagging, held := slow.lagging, slow.bytes
	slow.mu.Unlock()
	if !lagging || held > maxQueuedBytes {
		t.Errorf("lagging %t, holds %d bytes", lagging, held)
	}
	for i, e := range collect(t, slow, n) {
		if e.RV != int64(i+3) {
			t.Fatalf("event %d has revision %d, want %d", i, e.RV, i+3)
		}
	}
	put(t, s, "last", 0, "x")
	if e := collect(t, slow, 1)[0]; e.Key != "last" {
		t.Errorf("after it rejoined it got %s", e.Key)
	}
}

// countingTracer counts the statements that read events.
type countingTracer struct{ reads, history atomic.Int64 }

func (c *countingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	switch {
	case strings.HasPrefix(data.SQL, "-- name: ReadEvents "):
		c.reads.Add(1)
	case strings.HasPrefix(data.SQL, "-- name: ReadResourceEvents "), strings.HasPrefix(data.SQL, "-- name: ReadKeyEvents "):
		c.history.Add(1)
	}
	return ctx
}

func (c *countingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestOneReadAChange: 50 subscribers and 20 writes are some 20 reads, not 1,000.
func TestOneReadAChange(t *testing.T) {
	t.Parallel()
	config := pgtest.DB(t).Config().Copy()
	tracer := &countingTracer{}
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := open(t, pool, func(o *Options) { o.PollInterval = time.Hour })
	const subscribers, writes = 50, 20
	var subs []*Subscription
	for range subscribers {
		u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
		t.Cleanup(u.Close)
		subs = append(subs, u)
	}
	put(t, s, "first", 0, "x")
	for _, u := range subs {
		collect(t, u, 1)
	}
	before := tracer.reads.Load()
	for i := range writes {
		put(t, s, fmt.Sprint(i), 0, "x")
		for _, u := range subs {
			collect(t, u, 1)
		}
	}
	if reads := tracer.reads.Load() - before; reads > writes+2 {
		t.Errorf("%d reads for %d writes and %d subscribers", reads, writes, subscribers)
	}
	if n := tracer.history.Load(); n > 0 {
		t.Errorf("%d reads of history for subscribers that are up to date", n)
	}
	// One that starts a little in the past costs nothing either.
	late := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 5})
	t.Cleanup(late.Close)
	collect(t, late, writes-3)
	if n := tracer.history.Load(); n > 0 {
		t.Errorf("%d reads of history for a start that memory reaches back to", n)
	}
}

// TestEveryConnectionKilled: all sessions of the store are killed again and again
// while it writes and reads: nothing is lost, nothing comes twice.
func TestEveryConnectionKilled(t *testing.T) {
	t.Parallel()
	p, pool, direct := behindProxy(t)
	s := open(t, pool)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	const n = 60
	go func() {
		rv := int64(0)
		for i := range n {
			if i%7 == 3 {
				p.hangUp()
			}
			rv = put(t, s, "ns/a", rv, fmt.Sprint(i))
		}
	}()
	for i, e := range collect(t, u, n) {
		if e.RV != int64(i+2) || string(e.Body) != fmt.Sprint(i) {
			t.Fatalf("event %d: revision %d, body %q", i, e.RV, e.Body)
		}
	}
	checkInvariants(t, direct)
}

// TestProgress: who asks is told a revision that is not behind what was read
// before, also when nothing of its resource happens; who does not ask is not told.
func TestProgress(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t, func(o *Options) { o.ProgressInterval = time.Hour })
	asks := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1, Progress: true})
	t.Cleanup(asks.Close)
	silent := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(silent.Close)
	for i := range 5 {
		if _, err := s.Write(within(t), Write{Resource: "others", Key: fmt.Sprint(i), Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		rv, err := s.GetRevision(within(t))
		if err != nil {
			t.Fatal(err)
		}
		s.RequestProgress()
		for told := int64(0); told < rv; {
			items, err := asks.Next(within(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				if item.Event != nil || item.RV < told {
					t.Fatalf("got %+v after %d", item, told)
				}
				told = item.RV
			}
		}
	}
	put(t, s, "a", 0, "x")
	items, err := silent.Next(within(t))
	if err != nil || len(items) != 1 || items[0].Event == nil {
		t.Errorf("got %+v, %v", items, err)
	}
}

// TestEagerProgress: without being asked, a subscription is told soon how far it
// is, also of the last of many writes.
func TestEagerProgress(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t, func(o *Options) {
		o.ProgressInterval, o.PollInterval, o.EagerProgress = time.Hour, time.Hour, true
	})
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1, Progress: true})
	t.Cleanup(u.Close)
	var last int64
	for i := range 50 {
		rv, err := s.Write(within(t), Write{Resource: "others", Key: fmt.Sprint(i), Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		last = rv
	}
	for told := int64(0); told < last; {
		items, err := u.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		told = items[len(items)-1].RV
	}
}

// TestDatabaseWentBack: a restored database, or one that lost commits in a
// failover, is noticed: watches end, and no revision is given a second time.
func TestDatabaseWentBack(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, pool *pgxpool.Pool, s *Store){
		"behind what was read": func(t *testing.T, pool *pgxpool.Pool, s *Store) {
			loseLast(t, pool, 2)
			s.reader.kick()
		},
		"another story": func(t *testing.T, pool *pgxpool.Pool, s *Store) {
			// The session of the reader ends with the server that it was on, and
			// its next one sees what somebody else has written since.
			tx, err := pool.Begin(within(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			for _, sql := range []string{
				`LOCK TABLE ark.revision IN ACCESS EXCLUSIVE MODE`, // nobody reads meanwhile
				`SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE '%ReadEvents%' AND pid <> pg_backend_pid()`,
				loseLastOne,
				`WITH e AS (INSERT INTO ark.events (rv, resource, key, body, at)
				SELECT current + n, 'others', 'x' || n, 'y', now() FROM ark.revision, generate_series(1, 3) n RETURNING 1)
				UPDATE ark.revision SET current = current + (SELECT count(*) FROM (SELECT FROM generate_series(1, 3)) n)`,
			} {
				if _, err := tx.Exec(within(t), sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if err := tx.Commit(within(t)); err != nil {
				t.Fatal(err)
			}
			s.reader.kick()
		},
		"found by a write": func(t *testing.T, pool *pgxpool.Pool, s *Store) {
			loseLast(t, pool, 2)
			put(t, s, "found", 0, "x")
		},
	}
	for name, goBack := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := fresh(t, func(o *Options) { o.PollInterval = time.Hour })
			u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
			t.Cleanup(u.Close)
			var last int64
			for i := range 4 {
				last = put(t, s, fmt.Sprint(i), 0, "x")
			}
			collect(t, u, 4)
			goBack(t, pool, s)
			for {
				_, err := u.Next(within(t))
				if errors.Is(err, ErrExpired) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			next := put(t, s, "after", 0, "x")
			if next <= last+jumpDistance/2 {
				t.Errorf("revision %d after %d: not far enough ahead", next, last)
			}
			old := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: last})
			t.Cleanup(old.Close)
			if _, err := old.Next(within(t)); !errors.Is(err, ErrExpired) {
				t.Errorf("a start in the time that is lost: %v, want %v", err, ErrExpired)
			}
		})
	}
}

// loseLastOne takes the last write back, as a failover to a standby that lags would.
const loseLastOne = `WITH gone AS (SELECT current - 1 AS floor FROM ark.revision),
	events AS (DELETE FROM ark.events WHERE rv > (SELECT floor FROM gone)),
	objects AS (DELETE FROM ark.objects WHERE rv > (SELECT floor FROM gone))
	UPDATE ark.revision SET current = (SELECT floor FROM gone)`

func loseLast(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	for range n {
		execute(t, pool, loseLastOne)
	}
}
