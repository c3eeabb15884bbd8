package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pgtest"
)

// patience is how long a test waits for what must happen. It decides nothing.
const patience = 30 * time.Second

const things = "things.test"

// open starts a Store over a database that is not compacted by itself.
func open(t testing.TB, pool *pgxpool.Pool, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Retention: -1, PollInterval: 100 * time.Millisecond, ProgressInterval: 50 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	s := Open(context.Background(), pool, o)
	t.Cleanup(s.Close)
	return s
}

func fresh(t testing.TB, change ...func(*Options)) (*Store, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.DB(t)
	return open(t, pool, change...), pool
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// put writes a thing and returns its revision.
func put(t testing.TB, s *Store, key string, expect int64, body string) int64 {
	t.Helper()
	rv, err := s.Write(within(t), Write{Resource: things, Key: key, Expect: expect, Body: []byte(body)})
	if err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
	return rv
}

func remove(t testing.TB, s *Store, key string, expect int64) int64 {
	t.Helper()
	rv, err := s.Write(within(t), Write{Resource: things, Key: key, Expect: expect})
	if err != nil {
		t.Fatalf("delete %s: %v", key, err)
	}
	return rv
}

// eventually polls a condition until it holds.
func eventually(t testing.TB, what string, holds func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, err := holds()
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s (%v)", what, patience, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// holdLock takes the lock of all writes, so that those that come pile up, until
// release is called.
func holdLock(t testing.TB, pool *pgxpool.Pool) (release func()) {
	t.Helper()
	tx, err := pool.Begin(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.New().LockRevision(within(t), tx); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Errorf("release lock: %v", err)
		}
	}
}

// waiting returns how many writes have not begun.
func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// together makes writes that end up in one batch. The results are in the order
// of the writes.
func together(t testing.TB, s *Store, pool *pgxpool.Pool, writes ...Write) []result {
	t.Helper()
	release := holdLock(t, pool)
	defer release()
	// The first write is taken alone and waits for the lock.
	first := make(chan result, 1)
	go func() {
		rv, err := s.Write(context.Background(), Write{Resource: "starter", Key: fmt.Sprint(time.Now().UnixNano()), Body: []byte("x")})
		first <- result{rv, err}
	}()
	eventually(t, "the first batch is under way", func() (bool, error) { return blocked(t, pool) && s.writer.waiting() == 0, nil })
	results := make([]result, len(writes))
	done := make(chan int, len(writes))
	for i, w := range writes {
		go func() {
			rv, err := s.Write(context.Background(), w)
			results[i] = result{rv, err}
			done <- i
		}()
		eventually(t, "the write waits", func() (bool, error) { return s.writer.waiting() == i+1, nil })
	}
	release()
	for range writes {
		<-done
	}
	if r := <-first; r.err != nil {
		t.Fatalf("first write: %v", r.err)
	}
	return results
}

// blocked tells whether a session waits for a lock.
func blocked(t testing.TB, pool *pgxpool.Pool) bool {
	t.Helper()
	return query[bool](t, pool, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")
}

// query returns the only value of a statement.
func query[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(within(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func execute(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(within(t), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// collect reads n events of a subscription.
func collect(t testing.TB, u *Subscription, n int) []*Event {
	t.Helper()
	ctx := within(t)
	var events []*Event
	for len(events) < n {
		items, err := u.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d events: %v", len(events), n, err)
		}
		for _, item := range items {
			if item.Event != nil {
				events = append(events, item.Event)
			}
		}
	}
	return events
}
