package workers

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
)

var (
	// errGone: the Query of an entry is deleted, or another one has its name.
	errGone = errors.New("the Query is gone")
	// errFinished: the Query is terminal already; it stays as it is.
	errFinished = errors.New("the Query is finished already")
)

// read returns the Query of an entry as it stands now. A database that is away
// is waited for until ctx ends, which is that of a session as a rule.
func (w *Workers) read(ctx context.Context, e *entry) (*stored, error) {
	for away := w.newBackoff(); ; {
		row, err := w.db.GetObject(ctx, w.Pool, store.ResourceQueries, e.Key)
		switch {
		case err == nil:
			return w.open(ctx, e, row.RV, row.Body)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !pg.IsUnavailable(err) && !pg.IsTimeout(err):
			return nil, fmt.Errorf("read Query %s: %w", e.Key, err)
		}
		klog.FromContext(ctx).V(2).Info("Waiting for the database", "query", e.Key, "err", err)
		if err := w.pause(ctx, away.Step()); err != nil {
			return nil, err
		}
	}
}

// open decodes the Query of an entry; revision 0: there is none.
func (w *Workers) open(ctx context.Context, e *entry, rv int64, body []byte) (*stored, error) {
	if rv == 0 {
		return nil, errGone
	}
	now, err := w.codec.decode(ctx, e.Key, rv, body)
	if err != nil {
		return nil, err
	}
	if string(now.query.UID) != e.UID {
		return nil, errGone
	}
	return now, nil
}

// write applies change to the status of a Query and stores it, fenced by the
// lease. If somebody else has written meanwhile, it is applied to what stands
// there then. The errors are errGone, errFinished, execution.ErrLeaseLost (also
// when the session, and with it ctx, ends first), or say why the status cannot be stored.
func (w *Workers) write(ctx context.Context, e *entry, now *stored, change func(*arkv1alpha1.Query)) (*stored, error) {
	underWay := &writing{Workers: w, entry: e, away: w.newBackoff()}
	for {
		if underWay.tried != nil && sameStatus(now.query, underWay.tried.query) {
			return now, nil // an earlier attempt was stored, only its answer was lost
		}
		if now.query.Status.Phase.IsTerminal() {
			return nil, errFinished
		}
		written, err := w.tryWrite(ctx, e, now, change)
		if err == nil {
			return written, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if now, err = underWay.recover(ctx, now, written, err); err != nil {
			return nil, err
		}
	}
}

// writing is one status on its way.
type writing struct {
	*Workers
	entry *entry
	away  *wait.Backoff
	// tried is what may have been stored although no answer came; nil: nothing.
	tried *stored
}

// recover returns what the next attempt begins with, or why there is none.
func (w *writing) recover(ctx context.Context, now, written *stored, err error) (*stored, error) {
	var conflict *store.Conflict
	switch {
	case errors.As(err, &conflict):
		return w.open(ctx, w.entry, conflict.RV, conflict.Body)
	case errors.Is(err, store.ErrLeaseLost) && w.tried == nil:
		return nil, fmt.Errorf("%w: %w", execution.ErrLeaseLost, err)
	case errors.Is(err, store.ErrLeaseLost):
		// The final status ends the lease: it may have been stored after all.
		current, readErr := w.read(ctx, w.entry)
		if readErr == nil && !sameStatus(current.query, w.tried.query) {
			readErr = fmt.Errorf("%w: %w", execution.ErrLeaseLost, err)
		}
		return current, readErr
	case errors.Is(err, store.ErrUnknownOutcome):
		w.tried = written
		return w.read(ctx, w.entry)
	case errors.Is(err, store.ErrUnavailable):
		klog.FromContext(ctx).Info("The status will be written when the database is back", "err", err)
		return now, w.pause(ctx, w.away.Step())
	}
	return nil, fmt.Errorf("write status of Query %s: %w", w.entry.Key, err)
}

// tryWrite makes one attempt. A status that changes nothing is not written. What
// it tried to write is returned also with an error.
func (w *Workers) tryWrite(ctx context.Context, e *entry, now *stored, change func(*arkv1alpha1.Query)) (*stored, error) {
	updated := now.query.DeepCopy()
	change(updated)
	if sameStatus(now.query, updated) {
		return now, nil
	}
	if errs := w.schema.ValidateStatus(ctx, updated, now.query); len(errs) > 0 {
		return nil, fmt.Errorf("validate: %w", errs.ToAggregate())
	}
	data, err := w.codec.encode(now, updated)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(data, now.data) {
		return now, nil
	}
	body, err := w.codec.seal(ctx, e.Key, data)
	if err != nil {
		return nil, err
	}
	written := &stored{data: data, query: updated}
	written.rv, err = w.Store.Write(ctx, store.Write{
		Resource: store.ResourceQueries, Key: e.Key, Expect: now.rv, Body: body,
		Query: store.QueryChangeOf(now.query, updated, w.Clock.Now()),
		Lease: &e.lease,
	})
	return written, err
}
