package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

const (
	// maxTrailBytes bounds what waits to be written in memory.
	maxTrailBytes = 64 << 20
	// maxTrailBatch bounds the records of one transaction.
	maxTrailBatch = 512
	// lastFlush is how long the end of the trail may take when the worker stops.
	lastFlush = 10 * time.Second
)

var errTrailClosed = errors.New("the trail of runs is closed")

// record is one change of the trail.
type record interface {
	// size in memory, in bytes.
	size() int
	write(ctx context.Context, q *db.Queries, tx db.DBTX) error
}

// trail writes runs and turns in the order in which they happened, many in one
// transaction. A database that is away is waited for.
type trail struct {
	pool  *pgxpool.Pool
	clock clock.WithTicker
	db    *db.Queries
	// timeout bounds one transaction: a server that vanished does not answer.
	timeout time.Duration

	mu      sync.Mutex
	waiting []record
	bytes   int
	closed  bool
	// added is hinted at when there are records, room when some were written.
	added chan struct{}
	room  chan struct{}
}

func newTrail(pool *pgxpool.Pool, c clock.WithTicker) *trail {
	return &trail{
		pool: pool, clock: c, db: db.New(), timeout: pg.DefaultStatementTimeout,
		added: make(chan struct{}, 1), room: make(chan struct{}),
	}
}

// put adds a record. It waits for room until ctx ends.
func (t *trail) put(ctx context.Context, r record) error {
	for {
		t.mu.Lock()
		room := t.room
		switch {
		case t.closed:
			t.mu.Unlock()
			return errTrailClosed
		case t.bytes == 0 || t.bytes+r.size() <= maxTrailBytes:
			t.waiting = append(t.waiting, r)
			t.bytes += r.size()
			t.mu.Unlock()
			hint(t.added)
			return nil
		}
		t.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("wait for the trail of runs: %w", context.Cause(ctx))
		}
	}
}

// run writes records until ctx ends, then what is left.
func (t *trail) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.added:
			t.flush(ctx)
		}
	}
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	t.flush(last)
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.room)
	if n := len(t.waiting); n > 0 {
		klog.FromContext(ctx).Error(nil, "Runs and turns were not recorded: the database was away when the worker stopped", "records", n)
	}
}

// flush writes until nothing waits or ctx ends.
func (t *trail) flush(ctx context.Context) {
	away := &wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 100, Cap: 2 * time.Second}
	for ctx.Err() == nil {
		batch := t.peek()
		if len(batch) == 0 {
			return
		}
		err := t.store(ctx, batch)
		switch {
		case err == nil:
			t.remove(batch)
		case pg.IsRefused(err):
			t.remove(batch)
			t.storeEach(ctx, batch)
		case ctx.Err() == nil:
			klog.FromContext(ctx).Error(err, "Runs and turns will be recorded when the database is back", "records", len(batch))
			select {
			case <-ctx.Done():
			case <-t.clock.After(away.Step()):
			}
		}
	}
}

func (t *trail) peek() []record {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.waiting), maxTrailBatch)
	return slices.Clone(t.waiting[:n])
}

func (t *trail) remove(batch []record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.waiting[:len(batch)])
	t.waiting = t.waiting[len(batch):]
	for _, r := range batch {
		t.bytes -= r.size()
	}
	if !t.closed {
		close(t.room)
		t.room = make(chan struct{})
	}
}

// store writes a batch in one transaction and one round trip. The turns of a run
// go together in one statement.
func (t *trail) store(ctx context.Context, batch []record) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	err := pg.InTx(ctx, t.pool, func(tx pgx.Tx) error {
		p := &pg.Pipeline{}
		for _, r := range merge(batch) {
			if err := r.write(ctx, t.db, p); err != nil {
				return err
			}
		}
		return p.Send(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("record runs and turns: %w", err)
	}
	return nil
}

// storeEach writes the records of a batch that was refused one by one, so that
// only the one at fault is missing, and said to be.
func (t *trail) storeEach(ctx context.Context, batch []record) {
	for i := range batch {
		if err := t.store(ctx, batch[i:i+1]); err != nil {
			klog.FromContext(ctx).Error(err, "A run or turn could not be recorded", "record", fmt.Sprintf("%T", batch[i]))
		}
	}
}
