package store

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

// listening names the session that a Store under test listens on.
const listening = "listening"

// gate holds up connections while it is shut.
type gate struct{ open atomic.Pointer[chan struct{}] }

func (g *gate) shut() { c := make(chan struct{}); g.open.Store(&c) }

func (g *gate) wait(ctx context.Context) error {
	c := g.open.Load()
	if c == nil {
		return nil
	}
	select {
	case <-*c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listens has a Store listen on a session that is found by its name, whose
// connections pass a gate.
func listens(pool *pgxpool.Pool, g *gate) func(*Options) {
	return func(o *Options) {
		o.PollInterval = time.Hour // hints are all there is
		o.Listen = pool.Config().ConnConfig.Copy()
		o.Listen.RuntimeParams["application_name"] = listening
		dial := o.Listen.DialFunc
		o.Listen.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := g.wait(ctx); err != nil {
				return nil, err
			}
			return dial(ctx, network, address)
		}
	}
}

// awaitListener waits until the session listens on its last channel.
func awaitListener(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "the store listens", func() (bool, error) {
		return query[int64](t, pool, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1 AND query ILIKE 'LISTEN%leases%' AND state = 'idle'`, listening) == 1, nil
	})
}

// killListener ends the session, and returns when it has gone.
func killListener(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	killed := query[int64](t, pool, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 30000)) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1`, listening)
	if killed != 1 {
		t.Fatalf("%d sessions were killed, want the one that listens", killed)
	}
}

// TestHintsOfOtherProcesses: what another process writes comes by its hint, long
// before anybody would look for it.
func TestHintsOfOtherProcesses(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	writer, s := open(t, pool), open(t, pool, listens(pool, &gate{}))
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	awaitListener(t, pool)
	for i := range 3 { // the first may come because the listener has just connected
		put(t, writer, fmt.Sprint(i), 0, "x")
		if e := collect(t, u, 1)[0]; e.Key != fmt.Sprint(i) {
			t.Errorf("got %s, want %d", e.Key, i)
		}
	}
}

// TestDeadListenerLosesNothing: the session that listens is killed, and another
// process writes: its events come when it listens again.
func TestDeadListenerLosesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	g := &gate{}
	writer, s := open(t, pool), open(t, pool, listens(pool, g))
	u := s.Subscribe(Subscribe{Resource: things, Recursive: true, After: 1})
	t.Cleanup(u.Close)
	awaitListener(t, pool)
	for i := range 3 {
		g.shut()
		killListener(t, pool)
		put(t, writer, fmt.Sprint(i), 0, "x")
		close(*g.open.Load())
		if e := collect(t, u, 1)[0]; e.Key != fmt.Sprint(i) {
			t.Errorf("got %s, want %d", e.Key, i)
		}
		awaitListener(t, pool)
	}
}
