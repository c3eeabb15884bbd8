// Package workers is the queue's other end: it leases Queries, has them executed,
// and writes their status under the lease. Any number of processes may run it.
//
// What it touches, and how: the queue by SQL, in short transactions of its own;
// objects only through the store, which checks the lease in the transaction of
// the write. A worker that lost a lease can therefore write nothing.
package workers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/klog/v2"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/schema"
	"mckinsey.com/ark/workers/keep"
)

// Workers executes Queries from the queue. Make it with New.
type Workers struct {
	Options
	db     *db.Queries
	codec  *codec
	trail  *trail
	schema *schema.Schema // of Queries

	// Hints, each of capacity one: there is work; entries were cancelled or
	// removed, of which some may be leased (ended) and some may wait (due).
	work  chan struct{}
	ended chan struct{}
	due   chan struct{}
}

// New checks the options; nothing happens before Run.
func New(o Options) (*Workers, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c, err := newCodec(o.Transformer)
	if err != nil {
		return nil, err
	}
	s, err := schema.Of(arkv1alpha1.Resource("queries"))
	if err != nil {
		return nil, err
	}
	return &Workers{
		Options: o, db: db.New(), codec: c, schema: s, trail: newTrail(o.Pool, o.Clock),
		work: make(chan struct{}, 1), ended: make(chan struct{}, 1), due: make(chan struct{}, 1),
	}, nil
}

// Run works until ctx ends, then gives running executions the grace period,
// returns what is unfinished to the queue, and ends with all its goroutines. A
// database that is away is waited for; an error means that Run cannot go on.
func (w *Workers) Run(ctx context.Context) error {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("workers").WithValues("worker", w.Name))
	// What serves executions lives on until the last of them has ended.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	tasks.Go(func() { w.trail.run(serving) })
	tasks.Go(func() { w.Subscribe(serving, w.hear) })
	tasks.Go(func() {
		keep.Run(ctx, keep.Options{
			Pool: w.Pool, Clock: w.Clock, Every: w.Poll, RunRetention: w.RunRetention, Returned: w.requeued,
		})
	})
	for ctx.Err() == nil {
		s, err := w.register(ctx)
		if err != nil {
			break // only the end of ctx stops it
		}
		s.serve(ctx)
	}
	return nil
}

// register makes a session, however long the database lets it wait.
func (w *Workers) register(ctx context.Context) (*session, error) {
	for wait := w.newBackoff(); ; {
		s := newSession(ctx, w)
		err := w.db.PutWorker(ctx, w.Pool, db.PutWorkerParams{
			ID: s.id, Name: w.Name, Concurrency: int32(w.Concurrency), //nolint:gosec // checked to be small
			StartedAt: w.Clock.Now(), AliveUntil: s.aliveUntil,
		})
		if err == nil {
			w.checkClock(ctx)
			return s, nil
		}
		if ctx.Err() == nil {
			klog.FromContext(ctx).Error(fmt.Errorf("register worker: %w", err), "The worker cannot start yet and will try again")
		}
		if err := w.pause(ctx, wait.Step()); err != nil {
			return nil, err
		}
	}
}

// pause waits for d, or until ctx ends, which is an error.
func (w *Workers) pause(ctx context.Context, d time.Duration) error {
	timer := w.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C():
		return nil
	}
}
