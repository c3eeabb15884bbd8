package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// attemptTimeout bounds one attempt at a batch, the wait for the lock on the
// revision row included.
const attemptTimeout = 10 * time.Second

// batch is a set of writes on their way through one transaction.
type batch struct {
	store   *Store
	writes  []*pending
	results []result
	// accepted are the indexes of the writes that are applied, in the order of
	// their revisions: current+1, current+2 ...
	accepted []int
	// What was found under the lock: the revision, the objects that stand at the
	// keys of writes, and the leases that are held, by the index of the write.
	current  int64
	xid      string
	standing map[int]db.CheckObjectsRow
	held     map[int]bool
}

func newBatch(s *Store, writes []*pending) *batch {
	return &batch{store: s, writes: writes, results: make([]result, len(writes)),
		standing: map[int]db.CheckObjectsRow{}, held: map[int]bool{}}
}

// apply runs the transaction, until a time at most. Without an error every write
// has a result; with one nothing was written, unless it is ErrUnknownOutcome.
func (b *batch) apply(ctx context.Context, until time.Time) error {
	attempt, cancel := context.WithTimeout(ctx, min(attemptTimeout, time.Until(until)))
	defer cancel()
	committing, err := b.transact(attempt)
	if err == nil {
		return nil
	}
	if committing && pg.IsFatal(err) {
		return b.findOut(ctx, err)
	}
	return err
}

// transact returns whether the commit was sent, and the error. The transaction
// takes two round trips: one that locks and looks, and one that writes and commits.
func (b *batch) transact(ctx context.Context) (committing bool, err error) {
	own := &b.store.writer.own
	session, err := own.take(ctx, b.store.pool)
	if err != nil {
		return false, err
	}
	conn := session.Conn()
	defer func() {
		pg.Abandon(ctx, conn)
		if err != nil || !b.store.spares {
			own.giveUp()
		}
	}()
	if err = b.look(ctx, conn); err != nil {
		return false, fmt.Errorf("check batch: %w", err)
	}
	if b.current < b.store.highest.Load() {
		b.store.reader.suspect.Store(true)
		b.store.reader.kick()
		return false, errWentBack
	}
	b.decide()
	if len(b.accepted) == 0 {
		return false, nil
	}
	b.store.writer.session.Store(conn.PgConn().PID())
	if err = b.write(ctx, conn); err != nil {
		b.store.reader.kick() // in case it happened
		return true, fmt.Errorf("write batch: %w", err)
	}
	return true, nil
}

// look takes the lock, and reads under it what the writes of the batch meet. Each
// statement sees what was committed when it began, and that is after the lock.
func (b *batch) look(ctx context.Context, conn *pgx.Conn) error {
	t := &pg.Trip{}
	t.Begin()
	if b.store.unbounded {
		if err := t.Add(b.bound); err != nil {
			return err
		}
	}
	err := t.Add(func(e pg.Executor) error {
		row, err := b.store.q.LockRevision(ctx, e)
		b.current, b.xid = row.Current, row.Xid
		return err
	})
	if err != nil {
		return err
	}
	if err := b.lookAtLeases(ctx, t); err != nil {
		return err
	}
	if err := b.lookAtObjects(ctx, t); err != nil {
		return err
	}
	return t.Send(ctx, conn)
}

func (b *batch) bound(e pg.Executor) error {
	return b.store.q.BoundTransaction(context.Background(), e,
		pg.Milliseconds(pg.DefaultStatementTimeout), pg.Milliseconds(pg.IdleInTransactionTimeout))
}

// decide each write's fate: refused by a conflict or a lost lease, or accepted
// with the next revision.
func (b *batch) decide() {
	next := b.current + 1
	for i, p := range b.writes {
		now := b.standing[i]
		switch {
		case p.Lease != nil && !b.held[i]:
			b.results[i].err = fmt.Errorf("write %s %q: %w", p.Resource, p.Key, ErrLeaseLost)
		case now.RV != p.Expect:
			b.results[i].err = &Conflict{Resource: p.Resource, Key: p.Key, RV: now.RV, Body: now.Body}
		default:
			b.results[i].rv = next
			b.accepted = append(b.accepted, i)
			next++
		}
	}
}

func (b *batch) lookAtObjects(ctx context.Context, t *pg.Trip) error {
	var arg db.CheckObjectsParams
	for _, p := range b.writes {
		arg.Resources = append(arg.Resources, p.Resource)
		arg.Keys = append(arg.Keys, p.Key)
		arg.Expected = append(arg.Expected, p.Expect)
	}
	return t.Add(func(e pg.Executor) error {
		rows, err := b.store.q.CheckObjects(ctx, e, arg)
		for _, row := range rows {
			b.standing[int(row.N)-1] = row
		}
		return err
	})
}

func (b *batch) lookAtLeases(ctx context.Context, t *pg.Trip) error {
	var arg db.CheckLeasesParams
	var index []int
	for i, p := range b.writes {
		if p.Lease == nil {
			continue
		}
		index = append(index, i)
		arg.Ids = append(arg.Ids, p.Lease.ID)
		arg.Workers = append(arg.Workers, p.Lease.Worker)
		arg.Attempts = append(arg.Attempts, p.Lease.Attempt)
	}
	if len(index) == 0 {
		return nil
	}
	return t.Add(func(e pg.Executor) error {
		rows, err := b.store.q.CheckLeases(ctx, e, arg)
		for _, n := range rows {
			b.held[index[n-1]] = true
		}
		return err
	})
}

// deliver hands out the results of a batch that is committed, and wakes the
// reader of events.
func (b *batch) deliver() {
	if n := len(b.accepted); n > 0 {
		b.store.handedOut(b.current + int64(n))
		b.store.reader.kick()
	}
	for i, p := range b.writes {
		p.done <- b.results[i]
	}
}
