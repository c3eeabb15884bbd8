package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

func TestWriteComparesAndSwaps(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	created := put(t, s, "ns/a", 0, "one")
	updated := put(t, s, "ns/a", created, "two")

	tests := map[string]struct {
		write Write
		want  Conflict
	}{
		"create what exists":         {Write{Key: "ns/a", Body: []byte("x")}, Conflict{RV: updated, Body: []byte("two")}},
		"update what was updated":    {Write{Key: "ns/a", Expect: created, Body: []byte("x")}, Conflict{RV: updated, Body: []byte("two")}},
		"delete what was updated":    {Write{Key: "ns/a", Expect: created}, Conflict{RV: updated, Body: []byte("two")}},
		"update what does not exist": {Write{Key: "ns/b", Expect: created, Body: []byte("x")}, Conflict{}},
		"delete what does not exist": {Write{Key: "ns/b", Expect: created}, Conflict{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.write.Resource = things
			_, err := s.Write(within(t), test.write)
			var conflict *Conflict
			if !errors.As(err, &conflict) {
				t.Fatalf("got %v, want a conflict", err)
			}
			if conflict.RV != test.want.RV || string(conflict.Body) != string(test.want.Body) {
				t.Errorf("got revision %d, body %q, want %d, %q", conflict.RV, conflict.Body, test.want.RV, test.want.Body)
			}
		})
	}
	if deleted := remove(t, s, "ns/a", updated); deleted != updated+1 {
		t.Errorf("refused writes took revisions: the deletion has %d, want %d", deleted, updated+1)
	}
}

func TestWriteRefusesNonsense(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	for name, w := range map[string]Write{
		"no resource":                {Key: "a", Body: []byte("x")},
		"delete without expectation": {Resource: things, Key: "a"},
		"negative expectation":       {Resource: things, Key: "a", Expect: -1, Body: []byte("x")},
	} {
		if _, err := s.Write(within(t), w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestConcurrentWritesAreDense: many writers of two stores get revisions without
// holes or doubles, every event has the images it must have, and counts are exact.
func TestConcurrentWritesAreDense(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	stores := []*Store{open(t, pool), open(t, pool)}
	const writers, rounds = 24, 20
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			s, key, rv := stores[n%2], fmt.Sprintf("ns-%d/%d", n%3, n), int64(0)
			for round := range rounds {
				if round%5 == 4 {
					rv = remove(t, s, key, rv)
				} else {
					rv = put(t, s, key, rv, strings.Repeat("x", round+1))
				}
				mu.Lock()
				if seen[rv] {
					t.Errorf("revision %d was given twice", rv)
				}
				seen[rv] = true
				mu.Unlock()
				if round%5 == 4 {
					rv = 0
				}
			}
		})
	}
	wg.Wait()
	for rv := int64(2); rv < 2+writers*rounds; rv++ {
		if !seen[rv] {
			t.Errorf("revision %d was not given", rv)
		}
	}
	checkInvariants(t, pool)
}

// checkInvariants compares what the tables say of one another.
func checkInvariants(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for what, sql := range map[string]string{
		"counts that differ from the objects": `SELECT count(*) FROM (
			SELECT resource, parent, sum(n) FROM (
				SELECT resource, parent, n FROM ark.counts
				UNION ALL
				SELECT resource, coalesce(substring(key FROM '^.*/'), ''), -1 FROM ark.objects) x
			GROUP BY resource, parent HAVING sum(n) <> 0) y`,
		"objects that are not their last event": `SELECT count(*) FROM (
			SELECT DISTINCT ON (resource, key) resource, key, rv, body FROM ark.events ORDER BY resource, key, rv DESC) e
			FULL JOIN ark.objects o USING (resource, key)
			WHERE (e.body IS NOT NULL OR o.rv IS NOT NULL) AND (e.rv IS DISTINCT FROM o.rv OR e.body IS DISTINCT FROM o.body)`,
		"events whose image before is not the image after of the one before": `SELECT count(*) FROM (
			SELECT prev_rv, prev_body, lag(rv) OVER w AS last_rv, lag(body) OVER w AS last_body
			FROM ark.events WINDOW w AS (PARTITION BY resource, key ORDER BY rv)) x
			WHERE prev_body IS DISTINCT FROM last_body
				OR prev_rv IS DISTINCT FROM CASE WHEN last_body IS NOT NULL THEN last_rv END`,
		"revisions without an event": `SELECT r.current - 1 - (SELECT count(*) FROM ark.events) FROM ark.revision r`,
	} {
		if n := query[int64](t, pool, sql); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

func TestBatchResultsAreApart(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	standing := put(t, s, "ns/standing", 0, "old")
	results := together(t, s, pool,
		Write{Resource: things, Key: "ns/new", Body: []byte("a")},
		Write{Resource: things, Key: "ns/standing", Body: []byte("b")},
		Write{Resource: things, Key: "ns/standing", Expect: standing, Body: []byte("c")}, // waits for a later batch
		Write{Resource: things, Key: "ns/other", Body: []byte("d")},
	)
	var conflict *Conflict
	if !errors.As(results[1].err, &conflict) || conflict.RV != standing {
		t.Errorf("creation of what stands there: %v", results[1].err)
	}
	for _, i := range []int{0, 2, 3} {
		if results[i].err != nil {
			t.Errorf("write %d: %v", i, results[i].err)
		}
	}
	if results[3].rv != results[0].rv+1 || results[2].rv != results[3].rv+1 {
		t.Errorf("revisions %d, %d, %d: not dense, or a key twice in a batch", results[0].rv, results[3].rv, results[2].rv)
	}
	checkInvariants(t, pool)
}

// TestBadWriteFailsAlone: a key that PostgreSQL refuses fails the statement of
// the whole batch, and yet its neighbours are written.
func TestBadWriteFailsAlone(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	results := together(t, s, pool,
		Write{Resource: things, Key: "ns/good", Body: []byte("a")},
		Write{Resource: things, Key: "ns/b\x00ad", Body: []byte("b")},
		Write{Resource: things, Key: "ns/b\xffad", Body: []byte("b")},
		Write{Resource: things, Key: "ns/fine", Body: []byte("c")},
	)
	for _, i := range []int{0, 3} {
		if results[i].err != nil {
			t.Errorf("write %d: %v", i, results[i].err)
		}
	}
	for _, i := range []int{1, 2} {
		if results[i].err == nil || errors.Is(results[i].err, ErrUnavailable) || !pg.IsRefused(results[i].err) {
			t.Errorf("bad write %d: %v", i, results[i].err)
		}
	}
	checkInvariants(t, pool)
}

// TestBatchIsBounded: what waits is written in batches of a bounded size.
func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	w := &writer{wake: make(chan struct{}, 1)}
	large := make([]byte, maxBatchBytes/3)
	for i := range 5 {
		if _, err := w.add(Write{Resource: things, Key: fmt.Sprint(i), Body: large}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 * maxBatchWrites {
		if _, err := w.add(Write{Resource: things, Key: fmt.Sprint("small", i), Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for total := 0; total < 5+2*maxBatchWrites; {
		batch := w.take()
		bytes := 0
		for _, p := range batch {
			bytes += p.size()
		}
		if len(batch) == 0 || len(batch) > maxBatchWrites || bytes > maxBatchBytes {
			t.Fatalf("a batch of %d writes, %d bytes", len(batch), bytes)
		}
		total += len(batch)
		sizes = append(sizes, len(batch))
	}
	if len(sizes) != 5 {
		t.Errorf("batches of %v writes", sizes)
	}
}

func TestWriteGivesUpInTime(t *testing.T) {
	t.Parallel()
	pool, err := pg.NewPool(context.Background(), "postgres://nobody@127.0.0.1:1/none", pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := open(t, pool, func(o *Options) { o.WriteTimeout = 200 * time.Millisecond })
	for range 3 {
		_, err := s.Write(within(t), Write{Resource: things, Key: "a", Body: []byte("x")})
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, want %v", err, ErrUnavailable)
		}
	}
	if err := s.Ping(within(t)); !pg.IsUnavailable(err) {
		t.Errorf("ping: %v", err)
	}
	if _, _, err := s.Get(within(t), things, "a"); !pg.IsUnavailable(err) {
		t.Errorf("get: %v", err)
	}
}

// TestEndOfContextTellsWhatItKnows: a write that has not begun is taken back; one
// that is under way has an unknown outcome, and is done.
func TestEndOfContextTellsWhatItKnows(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	release := holdLock(t, pool)
	begin := func(key string) (cancel func(), ended chan error) {
		ctx, cancel := context.WithCancel(context.Background())
		ended = make(chan error, 1)
		go func() {
			_, err := s.Write(ctx, Write{Resource: things, Key: key, Body: []byte("x")})
			ended <- err
		}()
		return cancel, ended
	}
	cancelFirst, first := begin("under-way")
	eventually(t, "the first write is under way", func() (bool, error) { return blocked(t, pool) && s.writer.waiting() == 0, nil })
	cancelSecond, second := begin("waiting")
	eventually(t, "the second write waits", func() (bool, error) { return s.writer.waiting() == 1, nil })
	cancelSecond()
	if err := <-second; !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("write that had not begun: %v", err)
	}
	cancelFirst()
	if err := <-first; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("write that was under way: %v", err)
	}
	release()
	eventually(t, "the write that was under way is done", func() (bool, error) {
		o, _, err := s.Get(within(t), things, "under-way")
		return o.RV > 0, err
	})
	if o, _, err := s.Get(within(t), things, "waiting"); err != nil || o.RV != 0 {
		t.Errorf("the write that was taken back was done: %v, %v", o, err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t)
	sub := s.Subscribe(Subscribe{Resource: things, Recursive: true})
	put(t, s, "a", 0, "x")
	release := holdLock(t, pool)
	defer release()
	ended := make(chan error, 1)
	go func() {
		_, err := s.Write(context.Background(), Write{Resource: things, Key: "b", Body: []byte("x")})
		ended <- err
	}()
	eventually(t, "a write is under way", func() (bool, error) { return blocked(t, pool), nil })
	s.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("write that was under way: %v", err)
	}
	if _, err := s.Write(within(t), Write{Resource: things, Key: "c", Body: []byte("x")}); !errors.Is(err, ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	eventually(t, "the subscription ends", func() (bool, error) {
		_, err := sub.Next(within(t))
		return errors.Is(err, ErrClosed), nil
	})
}
