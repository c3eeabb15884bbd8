package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pg"
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

// TestBatchIsBoundedBehindPooler: sessions that cannot have settings of their own
// get the bounds with each transaction, and only for it.
func TestBatchIsBoundedBehindPooler(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t)
	execute(t, direct, `CREATE TABLE seen (bounds text)`)
	execute(t, direct, `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO seen SELECT current_setting('statement_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout');
		RETURN NULL; END $$`)
	execute(t, direct, `CREATE TRIGGER see AFTER INSERT ON ark.events FOR EACH STATEMENT EXECUTE FUNCTION see()`)
	for name, pooler := range map[string]bool{"with a pooler": true, "without": false} {
		o := pg.Options{Pooler: pooler, MaxConns: 1}
		pool, err := pg.NewPool(context.Background(), direct.Config().ConnString(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		outside := query[string](t, pool, "SELECT current_setting('idle_in_transaction_session_timeout')")
		s := open(t, pool)
		put(t, s, name, 0, "x")
		if got := query[string](t, direct, "SELECT bounds FROM seen"); got != "30s 10s" {
			t.Errorf("%s: bounded by %q, want 30s and 10s", name, got)
		}
		if got := query[string](t, pool, "SELECT current_setting('idle_in_transaction_session_timeout')"); got != outside {
			t.Errorf("%s: %q after the transaction, %q before", name, got, outside)
		}
		execute(t, direct, "DELETE FROM seen")
		s.Close()
	}
}
