package store_test

import (
	"context"
	"testing"
	"time"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

// TestHintsComeOnTheStoresConnection: who waits for work hears of it by the one
// connection that listens.
func TestHintsComeOnTheStoresConnection(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	s := store.Open(t.Context(), pool, store.Options{})
	t.Cleanup(s.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	heard := make(chan string, 100)
	go s.Hints(ctx, func(channel string) { heard <- channel })
	if first := <-heard; first != pg.Connected {
		t.Fatalf("the first hint is %q", first)
	}
	q := db.New()
	for _, c := range []struct {
		channel string
		notify  func() error
	}{
		{pg.ChannelQueue, func() error { return q.NotifyQueue(ctx, pool) }},
		{pg.ChannelLeases, func() error { return q.NotifyLeases(ctx, pool) }},
	} {
		for got := pg.Connected; got != c.channel; {
			// The listening connection may not stand yet; it says so when it does.
			if err := c.notify(); err != nil {
				t.Fatal(err)
			}
			select {
			case got = <-heard:
			case <-ctx.Done():
				t.Fatalf("no hint on %s", c.channel)
			}
		}
	}
}
