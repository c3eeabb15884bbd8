package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

// traced returns a pool on the same database whose reads of events are counted.
func traced(t testing.TB, pool *pgxpool.Pool) (*pgxpool.Pool, *countingTracer) {
	t.Helper()
	config := pool.Config().Copy()
	tracer := &countingTracer{}
	config.ConnConfig.Tracer = tracer
	counted, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counted.Close)
	return counted, tracer
}

// TestStartKnowsTheNewestEvents: watches that are resumed after a start of the
// process find in memory what they missed, as far as memory reaches; it holds no
// more than it may.
func TestStartKnowsTheNewestEvents(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	before := open(t, pool)
	large := strings.Repeat("x", maxRingBytes/8)
	for i := range 12 { // more than memory holds
		put(t, before, fmt.Sprint("large-", i), 0, large)
	}
	var last int64
	for i := range 20 {
		last = put(t, before, fmt.Sprint("small-", i), 0, "x")
	}
	before.Close()

	counted, tracer := traced(t, pool)
	s := open(t, counted, func(o *Options) { o.PollInterval = time.Hour })
	for range 10 {
		u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: last - 22})
		t.Cleanup(u.Close)
		for i, e := range collect(t, u, 22) {
			if want := last - 21 + int64(i); e.RV != want {
				t.Fatalf("got revision %d, want %d", e.RV, want)
			}
		}
	}
	if n := tracer.history.Load(); n > 0 {
		t.Errorf("%d reads of history for a past that memory can hold", n)
	}
	all := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(all.Close)
	collect(t, all, 32)
	if tracer.history.Load() == 0 {
		t.Error("no read of history for a past that memory cannot hold")
	}
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if s.reader.ring.bytes > maxRingBytes {
		t.Errorf("%d bytes are kept in memory", s.reader.ring.bytes)
	}
}

// TestHistoryIsScoped: what is read from the table for a subscription is what it
// wants, page by page, and nothing else.
func TestHistoryIsScoped(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	last := map[string]int64{}
	for i := range 15 {
		for _, key := range []string{"ns/a", "ns/b", "ns-2/a", "ns0/a", "a"} {
			last[key] = put(t, s, key, last[key], fmt.Sprint(i))
		}
	}
	eventually(t, "all is read", func() (bool, error) { return s.Position() == last["a"], nil })
	s.reader.mu.Lock()
	s.reader.ring.reset(s.reader.position) // memory knows nothing
	s.reader.mu.Unlock()
	for name, test := range map[string]struct {
		subscribe Subscribe
		want      int
	}{
		"all":                         {Subscribe{Recursive: true}, 75},
		"a namespace":                 {Subscribe{Recursive: true, Key: "ns/"}, 30},
		"one":                         {Subscribe{Key: "ns/b"}, 15},
		"one without a namespace":     {Subscribe{Key: "a"}, 15},
		"what there is nothing of":    {Subscribe{Key: "b"}, 0},
		"a namespace without objects": {Subscribe{Recursive: true, Key: "n/"}, 0},
	} {
		test.subscribe.Resource, test.subscribe.After = things, 1
		u := s.Subscribe(test.subscribe)
		t.Cleanup(u.Close)
		u.page = smallestPage
		got := 0
		for resume := int64(0); resume < last["a"]; {
			items, err := u.catchUp(within(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				if !u.scope.matches(item.Event) {
					t.Errorf("%s: got %s", name, item.Event.Key)
				}
			}
			got += len(items)
			resume = u.resume
		}
		if got != test.want {
			t.Errorf("%s: %d events, want %d", name, got, test.want)
		}
		u.resume = 1
		rows, err := u.history(within(t), last["a"])
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.PageFloor < 0 && !u.scope.matches(&Event{Key: row.Key}) {
				t.Errorf("%s: %s was read", name, row.Key)
			}
		}
	}
}
