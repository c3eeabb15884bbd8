package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

func poolOf(t testing.TB, conns int32) *pgxpool.Pool {
	t.Helper()
	config := pgtest.DB(t).Config().Copy()
	config.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestListsDoNotHoldUpWrites: while every session that the pool can give is taken
// by others, writes go on, and so do their events.
func TestListsDoNotHoldUpWrites(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, smallestPool)
	s := open(t, pool)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	rv := put(t, s, "a", 0, "x")
	collect(t, u, 1)
	for pool.Stat().AcquiredConns() < smallestPool {
		conn, err := pool.Acquire(within(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	for i := range 3 {
		rv = put(t, s, "a", rv, fmt.Sprint(i))
		collect(t, u, 1)
	}
}

// TestSmallPool: with fewer sessions nobody keeps one.
func TestSmallPool(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, 1)
	s := open(t, pool)
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	rv := int64(0)
	for i := range 3 {
		rv = put(t, s, "a", rv, fmt.Sprint(i))
		collect(t, u, 1)
		if o, _, err := s.Get(within(t), things, "a"); err != nil || o.RV != rv {
			t.Fatalf("got revision %d (%v), want %d", o.RV, err, rv)
		}
	}
	checkInvariants(t, pool)
}
