package workers

import (
	"context"
	"errors"
	"sync"

	"k8s.io/klog/v2"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/store"
)

// maxRequeues bounds how many Queries are told at once that they wait again: they
// go into the same few transactions.
const maxRequeues = 64

// requeued tells Queries whose entries went back to the queue that they wait
// again. What fails is said only: whoever takes the Query up next writes its status.
func (w *Workers) requeued(ctx context.Context, rows []db.ReturnExpiredLeasesRow) {
	var writes sync.WaitGroup
	places := make(chan struct{}, maxRequeues)
	for _, row := range rows {
		places <- struct{}{}
		writes.Go(func() {
			defer func() { <-places }()
			if err := w.requeue(ctx, row); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "A Query waits again, but its status does not say so", "key", row.Key)
			}
		})
	}
	writes.Wait()
}

// requeue makes a status that says that the Query is being executed say that it
// waits. The fence is that its entry still waits: a worker that has taken it up
// meanwhile is not written over.
func (w *Workers) requeue(ctx context.Context, row db.ReturnExpiredLeasesRow) error {
	e := &entry{
		LeaseRow: db.LeaseRow{ID: row.ID, Key: row.Key, UID: row.UID, Attempt: row.Attempt},
		lease:    store.Lease{ID: row.ID, Attempt: row.Attempt},
	}
	now, err := w.read(ctx, e)
	if err == nil {
		_, err = w.write(ctx, e, now, func(q *arkv1alpha1.Query) {
			if p := q.Status.Phase; p == arkv1alpha1.QueryRunning || p == arkv1alpha1.QueryInputRequired {
				execution.MarkWaiting(q, w.now())
			}
		})
	}
	if isLost(err) || errors.Is(err, errGone) || errors.Is(err, errFinished) {
		return nil
	}
	return err
}
