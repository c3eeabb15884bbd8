package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mckinsey.com/ark/internal/pg"
)

// errNotCommitted: the answer to a commit was lost, and it did not happen.
var errNotCommitted = errors.New("the transaction was not committed")

// outcomeInterval is the pause between two looks at a transaction's status.
const outcomeInterval = 100 * time.Millisecond

// findOut learns whether the batch was committed although the answer was lost.
// nil: it was. errNotCommitted: it was not. ErrUnknownOutcome: it cannot be told
// within the time that a write may take.
func (b *batch) findOut(ctx context.Context, lost error) error {
	ctx, cancel := context.WithTimeout(ctx, b.store.options.WriteTimeout)
	defer cancel()
	for {
		status, err := b.status(ctx)
		switch {
		case err == nil && status == "committed":
			return b.verify(ctx, lost)
		case err == nil && status == "aborted":
			return fmt.Errorf("%w: %w", errNotCommitted, lost)
		case err == nil && status != "in progress":
			return fmt.Errorf("%w: transaction %s has no status any more: %w", ErrUnknownOutcome, b.xid, lost)
		case err != nil && !pg.IsUnavailable(err):
			return fmt.Errorf("%w: %w: %w", ErrUnknownOutcome, err, lost)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, lost)
		case <-time.After(outcomeInterval):
		}
	}
}

func (b *batch) status(ctx context.Context) (string, error) {
	status, err := b.store.q.GetXactStatus(ctx, b.store.pool, b.xid)
	if err != nil {
		return "", fmt.Errorf("get transaction status: %w", err)
	}
	return status, nil
}

// verify makes sure that the transaction that was committed is this one: after a
// failover the new primary may have given the same number to another.
func (b *batch) verify(ctx context.Context, lost error) error {
	first := b.accepted[0]
	rows, err := b.store.q.ReadEvents(ctx, b.store.pool, b.results[first].rv-1, 1)
	if err != nil {
		return fmt.Errorf("%w: read its first event: %w: %w", ErrUnknownOutcome, err, lost)
	}
	w := b.writes[first]
	for _, row := range rows {
		if row.PageFloor < 0 && row.RV == b.results[first].rv && row.Resource == w.Resource && row.Key == w.Key {
			return nil
		}
	}
	return fmt.Errorf("%w: its first event is not there: %w", ErrUnknownOutcome, lost)
}
