package workers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"k8s.io/utils/clock"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
)

// The network swallows everything while the worker looks for cancelled leases: it
// notices that its leases have expired all the same, and cuts its executions off.
func TestSwallowedLookIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	l, throughLink := newLink(t, f.url)
	f.create(newQuery("team", "one"))
	began, cause := make(chan *arkv1alpha1.Query, 1), make(chan error, 1)
	notify := make(chan func(string), 1)
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return cutOffOutcome(ctx, q)
	}), func(o *Options) {
		o.Pool, o.LeaseDuration = newPool(t, throughLink, "workers"), 2*time.Second
		o.Subscribe = func(ctx context.Context, n func(string)) { notify <- n; <-ctx.Done() }
	})
	f.next(began)
	l.freeze(true)
	(<-notify)(pg.ChannelLeases)
	select {
	case err := <-cause:
		if !errors.Is(err, execution.ErrLeaseLost) || !errors.Is(err, errSilent) {
			t.Errorf("the cause is %v", err)
		}
	case <-time.After(deadline):
		t.Error("the execution goes on although the leases have expired")
	}
	l.set(true) // what stands still ends
	l.set(false)
}

// The trail gives a connection up on which nothing comes back.
func TestSwallowedTrailIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	l, throughLink := newLink(t, f.url)
	tr := newTrail(newPool(t, throughLink, "workers"), clock.RealClock{})
	tr.timeout = 200 * time.Millisecond
	if err := tr.pool.Ping(f.ctx); err != nil {
		t.Fatal(err)
	}
	l.freeze(false)
	q := newQuery("team", "one")
	if err := tr.put(f.ctx, startRecord(db.StartRunParams{
		UID: string(q.UID), Attempt: 1, Namespace: "team", Name: "one", Worker: uuid.New(),
		WorkerName: "host/1", EnqueuedAt: time.Now(), StartedAt: time.Now(),
	})); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	done := make(chan struct{})
	go func() { defer close(done); tr.run(ctx) }()
	f.outcomes(q, "running")
	cancel()
	<-done
	l.set(true) // what stands still ends
}
