package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newPool(t testing.TB, o pg.Options) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.NewPool(context.Background(), pgtest.URL(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestPoolNamesAndBoundsItsSessions(t *testing.T) {
	t.Parallel()
	pool := newPool(t, pg.Options{ApplicationName: "server", StatementTimeout: 7 * time.Second, MaxConns: 3})
	for setting, want := range map[string]string{"application_name": "server", "statement_timeout": "7s"} {
		var got string
		if err := pool.QueryRow(within(t), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", setting, got, err, want)
		}
	}
	if n := pool.Config().MaxConns; n != 3 {
		t.Errorf("up to %d connections, want 3", n)
	}
}

func TestBadURLIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	if _, err := pg.NewPool(context.Background(), "postgres://%zz", pg.Options{}); err == nil {
		t.Error("accepted")
	}
}

func TestInTx(t *testing.T) {
	t.Parallel()
	pool := newPool(t, pg.Options{})
	q := db.New()
	failed := errors.New("failed")
	set := func(rv int64, result error) error {
		return pg.InTx(within(t), pool, func(tx pgx.Tx) error {
			if err := q.SetRevision(within(t), tx, rv); err != nil {
				return err
			}
			return result
		})
	}
	if err := set(5, nil); err != nil {
		t.Fatal(err)
	}
	if err := set(9, failed); !errors.Is(err, failed) {
		t.Errorf("got %v, want %v", err, failed)
	}
	row, err := q.GetRevision(within(t), pool)
	if err != nil || row.Current != 5 {
		t.Errorf("revision %d (%v), want 5", row.Current, err)
	}
}

// TestPipeline: statements with arrays of every type in use are sent in one round
// trip, with and without a pooler in between; the first that fails is named.
func TestPipeline(t *testing.T) {
	t.Parallel()
	for name, pooler := range map[string]bool{"sessions": false, "transaction pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, pg.Options{Pooler: pooler})
			q := db.New()
			for round := range int64(3) {
				err := pg.InTx(within(t), pool, func(tx pgx.Tx) error {
					p := &pg.Pipeline{}
					events := db.AppendEventsParams{At: time.Now(), Rvs: []int64{2 + round}, Resources: []string{"r"},
						Keys: []string{"k"}, Bodies: [][]byte{{0, 1}}}
					if err := q.AppendEvents(within(t), p, events); err != nil {
						return err
					}
					if err := q.PutObjects(within(t), p, []int64{2 + round}, []time.Time{{}}); err != nil {
						return err
					}
					return p.Send(within(t), tx)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			held, err := q.CheckLeases(within(t), pool, db.CheckLeasesParams{
				Ids: []int64{1}, Workers: []uuid.UUID{uuid.New()}, Attempts: []int32{1}})
			if err != nil || len(held) != 0 {
				t.Errorf("check leases: %v, %v", held, err)
			}
			o, err := q.GetObject(within(t), pool, "r", "k")
			if err != nil || o.RV != 4 {
				t.Errorf("stored is revision %d (%v), want 4", o.RV, err)
			}
		})
	}
}

func TestPipelineNamesWhatFailed(t *testing.T) {
	t.Parallel()
	pool := newPool(t, pg.Options{})
	err := pg.InTx(within(t), pool, func(tx pgx.Tx) error {
		p := &pg.Pipeline{}
		for _, rv := range []int64{3, 0, 4} { // the second violates a constraint
			if err := db.New().SetRevision(within(t), p, rv); err != nil {
				return err
			}
		}
		return p.Send(within(t), tx)
	})
	if got := pg.ConstraintName(err); got != "revision_current_check" {
		t.Errorf("constraint %q of %v", got, err)
	}
	if !pg.IsRefused(err) || pg.IsUnavailable(err) || pg.IsConflict(err) {
		t.Errorf("%v is not taken for a refusal", err)
	}
}

func TestPipelineTakesNoReads(t *testing.T) {
	t.Parallel()
	if _, err := db.New().GetRevision(within(t), &pg.Pipeline{}); err == nil {
		t.Error("a read in a pipeline succeeded")
	}
	if _, err := db.New().ReadEvents(within(t), &pg.Pipeline{}, 1, 1); err == nil {
		t.Error("a read of rows in a pipeline succeeded")
	}
}

func TestErrorsAreTold(t *testing.T) {
	t.Parallel()
	pool := newPool(t, pg.Options{})
	conn, err := pool.Acquire(within(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string) error {
		_, err := conn.Exec(within(t), sql)
		return err
	}
	if err := exec("SET statement_timeout = '10ms'"); err != nil {
		t.Fatal(err)
	}
	if err := exec("SELECT pg_sleep(10)"); !pg.IsTimeout(err) || pg.IsUnavailable(err) || pg.IsFatal(err) {
		t.Errorf("statement timeout: %v", err)
	}
	if err := exec("SELECT 1/0"); !pg.IsRefused(err) || pg.ConstraintName(err) != "" {
		t.Errorf("division by zero: %v", err)
	}
	if err := exec("SELECT pg_terminate_backend(pg_backend_pid())"); !pg.IsUnavailable(err) || !pg.IsFatal(err) {
		t.Errorf("terminated: %v", err)
	}
	if err := exec("SELECT 1"); !pg.IsUnavailable(err) {
		t.Errorf("on a closed connection: %v", err)
	}
	nowhere, err := pg.NewPool(context.Background(), "postgres://nobody@127.0.0.1:1/none", pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	if err := nowhere.Ping(within(t)); !pg.IsUnavailable(err) {
		t.Errorf("nobody there: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := pool.Ping(ended); pg.IsUnavailable(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("own context ended: %v", err)
	}
	if pg.IsUnavailable(nil) || pg.IsFatal(nil) || pg.IsTimeout(nil) {
		t.Error("no error is taken for one")
	}
}

// TestListen: hints come, and after the connection was killed a new one is made
// and said to be there.
func TestListen(t *testing.T) {
	t.Parallel()
	pool := newPool(t, pg.Options{})
	ctx, cancel := context.WithCancel(within(t))
	heard := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pg.Listen(ctx, pool.Config().ConnConfig, []string{pg.ChannelEvents, pg.ChannelQueue}, func(channel string) { heard <- channel })
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Fatalf("heard %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("did not hear %q", want)
		}
	}
	notify := func(channel string) {
		t.Helper()
		if _, err := pool.Exec(ctx, "SELECT pg_notify($1, '')", channel); err != nil {
			t.Fatal(err)
		}
	}
	expect(pg.Connected)
	for range 3 {
		notify(pg.ChannelEvents)
		expect(pg.ChannelEvents)
		notify(pg.ChannelQueue)
		expect(pg.ChannelQueue)
		if _, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`); err != nil {
			t.Fatal(err)
		}
		expect(pg.Connected)
	}
	cancel()
	<-ended
}
