package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

// lockTracer counts how often a session asks for the lock of all writes.
type lockTracer struct{ attempts atomic.Int64 }

func (l *lockTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, q := range data.Batch.QueuedQueries {
		if strings.HasPrefix(q.SQL, "-- name: LockRevision ") {
			l.attempts.Add(1)
		}
	}
	return ctx
}

func (l *lockTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (l *lockTracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (l *lockTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (l *lockTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TestHeldLockFailsBatchAtOnce: a batch that cannot get the lock in time fails as
// a whole. Were its writes tried one by one, each would wait as long again, and
// everybody behind them.
func TestHeldLockFailsBatchAtOnce(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t)
	config := direct.Config().Copy()
	tracer := &lockTracer{}
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := open(t, pool, func(o *Options) { o.WriteTimeout = 300 * time.Millisecond })
	release := holdLock(t, direct)
	defer release()
	const n = 20
	var batch []*pending
	for i := range n {
		batch = append(batch, &pending{done: make(chan result, 1),
			Write: Write{Resource: things, Key: fmt.Sprint(i), Body: []byte("x")}})
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.writer.commit(within(t), batch, time.Now().Add(s.options.WriteTimeout))
	}()
	select {
	case <-ended:
	case <-within(t).Done():
		t.Fatalf("still not failed after %d attempts", tracer.attempts.Load())
	}
	for i, p := range batch {
		if r := <-p.done; !errors.Is(r.err, ErrUnavailable) {
			t.Errorf("write %d: %v, want %v", i, r.err, ErrUnavailable)
		}
	}
	if attempts := tracer.attempts.Load(); attempts >= n {
		t.Errorf("%d attempts for one batch", attempts)
	}
}

// TestWhatMayPassIsUnavailable: what was tried again in vain is no error of the write.
func TestWhatMayPassIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errWentBack, errNotCommitted, context.DeadlineExceeded} {
		if got := describe(fmt.Errorf("write batch: %w", err)); !errors.Is(got, ErrUnavailable) {
			t.Errorf("%v is described as %v", err, got)
		}
	}
}
