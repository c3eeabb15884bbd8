package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pgtest"
)

// step moves a clock on when its loops wait for it.
func step(t testing.TB, clock *clocktesting.FakeClock, d time.Duration) {
	t.Helper()
	eventually(t, "a loop waits for the clock", func() (bool, error) { return clock.HasWaiters(), nil })
	clock.Step(d)
}

// TestRetention: what is older than the window can no longer be read, and is
// deleted a round later; what is younger stays.
func TestRetention(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	clock := clocktesting.NewFakeClock(time.Now())
	s := open(t, pool, func(o *Options) { o.Clock, o.Retention = clock, DefaultRetention })
	rv := int64(0)
	for i := range 5 {
		rv = put(t, s, "ns/a", rv, fmt.Sprint(i))
	}
	clock.Step(DefaultRetention / 2)
	young := put(t, s, "ns/a", rv, "young")
	for s.CompactedRevision() < young-1 {
		step(t, clock, compactInterval/4)
		if clock.Since(time.Now()) > 3*DefaultRetention {
			t.Fatalf("nothing is compacted after %s", clock.Since(time.Now()))
		}
	}
	if floor := s.CompactedRevision(); floor != young-1 {
		t.Errorf("compacted up to %d, want %d", floor, young-1)
	}
	eventually(t, "old events are deleted, young ones are not", func() (bool, error) {
		clock.Step(compactInterval / 4)
		left := query[int64](t, pool, "SELECT count(*) FROM ark.events")
		return left <= 1, nil
	})
	page, err := s.ListAsOf(within(t), Prefix(things, ""), young-2, 10)
	if err != nil || page.Compacted <= young-2 {
		t.Errorf("the floor that a list learns is %d (%v)", page.Compacted, err)
	}
}

// TestIdleStoreIsCompactedToItsEnd: with nothing young, the floor is the newest
// revision, which can still be read and watched from.
func TestIdleStoreIsCompactedToItsEnd(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	rv := put(t, s, "ns/a", 0, "x")
	s.options.Retention = time.Nanosecond
	floor, err := s.raiseFloor(within(t))
	if err != nil || floor != rv {
		t.Fatalf("compacted up to %d (%v), want %d", floor, err, rv)
	}
	page, err := s.ListAsOf(within(t), Prefix(things, ""), rv, 10)
	if err != nil || len(page.Objects) != 1 || page.Compacted > rv {
		t.Errorf("list as of the floor: %+v, %v", page, err)
	}
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: rv})
	t.Cleanup(u.Close)
	put(t, s, "ns/b", 0, "x")
	collect(t, u, 1)
}

// TestCompactionOvertakesReader: a reader whose next events are gone says so to
// all, instead of going on behind the gap.
func TestCompactionOvertakesReader(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	s := open(t, pool)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	put(t, s, "a", 0, "x")
	collect(t, u, 1)
	// In one transaction: an event, and a floor above it.
	execute(t, pool, `WITH e AS (INSERT INTO ark.events (rv, resource, key, body, at)
			SELECT current + 1, 'things.test', 'b', 'x', now() FROM ark.revision)
		UPDATE ark.revision SET current = current + 2, compacted = current + 2`)
	if _, err := u.Next(within(t)); !errors.Is(err, ErrExpired) {
		t.Errorf("got %v, want %v", err, ErrExpired)
	}
	again := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 4})
	t.Cleanup(again.Close)
	put(t, s, "c", 0, "x")
	if e := collect(t, again, 1)[0]; e.Key != "c" {
		t.Errorf("got %s", e.Key)
	}
}

// TestNobodyIsAheadOfTheGap: a subscription has failed when the reader's position
// has passed events that it was not given.
func TestNobodyIsAheadOfTheGap(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	put(t, s, "a", 0, "x")
	collect(t, u, 1)
	s.Close() // the test moves the reader by itself
	u.err = nil
	s.reader.position = 1
	if err := s.reader.restart(within(t), ErrExpired); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.reader.disconnect)
	if position := u.Position(); position != 0 {
		t.Errorf("a subscription claims to be at %d, behind a gap", position)
	}
	if _, err := u.Next(within(t)); !errors.Is(err, ErrExpired) {
		t.Errorf("got %v, want %v", err, ErrExpired)
	}
}

// TestCompactionOvertakesSlowSubscriber: one that has fallen behind what memory
// holds, and then behind the floor, is given what waits for it, and then told.
func TestCompactionOvertakesSlowSubscriber(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	slow := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(slow.Close)
	quick := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(quick.Close)
	put(t, s, "first", 0, "x")
	collect(t, slow, 1)
	collect(t, quick, 1)
	large := strings.Repeat("x", maxRingBytes/8)
	const n = 20 // more than memory holds
	var last int64
	for i := range n {
		last = put(t, s, fmt.Sprint(i), 0, large)
		collect(t, quick, 1)
	}
	if err := s.Compact(within(t), last); err != nil {
		t.Fatal(err)
	}
	for next := int64(3); ; {
		items, err := slow.Next(within(t))
		if errors.Is(err, ErrExpired) && next < last {
			break
		}
		if err != nil || next >= last {
			t.Fatalf("at revision %d of %d: %v", next, last, err)
		}
		for _, item := range items {
			if item.RV != next {
				t.Fatalf("got revision %d, want %d", item.RV, next)
			}
			next++
		}
	}
	put(t, s, "last", 0, "x")
	if e := collect(t, quick, 1)[0]; e.Key != "last" {
		t.Errorf("who kept up got %s", e.Key)
	}
}

// TestExpiry: an object with a ttl is deleted when its time has come, not before,
// once, whoever runs the store; an update without a ttl keeps it.
func TestExpiry(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	clock := clocktesting.NewFakeClock(time.Now())
	change := func(o *Options) { o.Clock = clock }
	s, _ := open(t, pool, change), open(t, pool, change)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	in := func(d time.Duration) time.Time { return clock.Now().Add(d) }
	write := func(key string, expect int64, expires time.Time) int64 {
		rv, err := s.Write(within(t), Write{Resource: things, Key: key, Expect: expect, Body: []byte("x"), ExpiresAt: expires})
		if err != nil {
			t.Fatal(err)
		}
		return rv
	}
	write("ns/soon", 0, in(time.Minute))
	write("ns/later", 0, in(time.Hour))
	kept := write("ns/kept", 0, in(time.Minute))
	write("ns/kept", kept, time.Time{})
	collect(t, u, 4)
	step(t, clock, 30*time.Second)
	step(t, clock, 31*time.Second)
	if e := collect(t, u, 1)[0]; e.Key != "ns/soon" || e.Body != nil {
		t.Errorf("got %s, deleted %t", e.Key, e.Body == nil)
	}
	step(t, clock, time.Hour)
	if e := collect(t, u, 1)[0]; e.Key != "ns/later" || e.Body != nil {
		t.Errorf("got %s, deleted %t", e.Key, e.Body == nil)
	}
	checkInvariants(t, pool)
	if n := query[int64](t, pool, "SELECT count(*) FROM ark.objects"); n != 1 {
		t.Errorf("%d objects are left, want 1", n)
	}
}

// TestManyExpireAtOnce: more objects than a page holds are deleted in one round,
// and two processes do not do the same work.
func TestManyExpireAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	clock := clocktesting.NewFakeClock(time.Now())
	s := open(t, pool, func(o *Options) { o.Clock = clock })
	const n = 2*expirePage + 10
	var writers sync.WaitGroup
	for i := range n {
		writers.Go(func() {
			_, err := s.Write(within(t), Write{Resource: things, Key: fmt.Sprint("ns/", i), Body: []byte("x"),
				ExpiresAt: clock.Now().Add(time.Minute)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	step(t, clock, time.Minute+2*s.options.PollInterval) // the clock stands still from here
	eventually(t, "all are deleted in one round", func() (bool, error) {
		return query[int64](t, pool, "SELECT count(*) FROM ark.objects") == 0, nil
	})
	checkInvariants(t, pool)
}

// TestExpiredAreClaimed: what one process is about to delete is not given to
// another, until the first has had its time.
func TestExpiredAreClaimed(t *testing.T) {
	t.Parallel()
	s, pool := fresh(t, func(o *Options) { o.Clock = clocktesting.NewFakeClock(time.Now()) })
	now := time.Now()
	for i := range 6 {
		_, err := s.Write(within(t), Write{Resource: things, Key: fmt.Sprint("ns/", i), Body: []byte("x"), ExpiresAt: now})
		if err != nil {
			t.Fatal(err)
		}
	}
	claim := func(at time.Time) int {
		rows, err := s.q.ClaimExpiredObjects(within(t), pool, db.ClaimExpiredObjectsParams{
			Now: at, AgainAt: at.Add(expireClaim), BatchSize: 4})
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	later := now.Add(time.Second)
	if first, second, third := claim(later), claim(later), claim(later); first != 4 || second != 2 || third != 0 {
		t.Errorf("claimed %d, %d and %d, want 4, 2 and 0", first, second, third)
	}
	if again := claim(later.Add(2 * expireClaim)); again != 4 {
		t.Errorf("claimed %d after the claims have ended, want 4", again)
	}
}
