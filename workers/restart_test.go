package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/store"
)

// deadly is a store whose answer to a final status never comes: the worker that
// wrote it is forgotten by the database right after the write.
type deadly struct {
	*fixture
	mu     sync.Mutex
	stored map[string]bool
}

func (d *deadly) Write(ctx context.Context, w store.Write) (int64, error) {
	ended := d.isStored(w.Query.Row.UID) // before the write begins
	rv, err := d.store.Write(ctx, w)
	if err == nil && ended {
		d.Errorf("%s is made %s although its result is stored", w.Key, w.Query.Row.Phase)
	}
	if err != nil || !arkv1alpha1.QueryPhase(w.Query.Row.Phase).IsTerminal() {
		return rv, err
	}
	d.mu.Lock()
	d.stored[w.Query.Row.UID] = true
	d.mu.Unlock()
	if w.Lease.Worker != uuid.Nil {
		if err := d.db.DeleteWorker(d.ctx, d.pool, w.Lease.Worker); err != nil {
			return 0, err
		}
	}
	return 0, errors.Join(store.ErrUnknownOutcome, errors.New("the worker died"))
}

func (d *deadly) isStored(uid string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stored[uid]
}

// Workers die after each final write: no Query is begun once its result was stored,
// and none is lost. A worker that has begun one may lose its lease before it executes
// it; what it cannot do is write.
func TestNothingIsExecutedAfterItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := &deadly{fixture: f, stored: map[string]bool{}}
	const n = 30
	for i := range n {
		f.create(newQuery("team", fmt.Sprintf("q-%d", i)))
	}
	for range 2 {
		f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
			return answer("answer to " + q.Name)
		}), func(o *Options) {
			o.Store, o.Concurrency, o.LeaseDuration, o.Poll, o.MaxAttempts = d, 4, time.Second, 50*time.Millisecond, 1000
		})
	}
	f.queueEmpty()
	for i := range n {
		got := f.get(fmt.Sprintf("team/q-%d", i))
		checkEnd(t, got, arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
		if got.Status.Response.Content != "answer to "+got.Name {
			t.Errorf("%s: %+v", key(got), got.Status)
		}
	}
}

// slowAnswer is a store that answers to a final status only when the session of
// its worker has ended.
type slowAnswer struct {
	*fixture
	ended <-chan struct{}
}

func (s *slowAnswer) Write(ctx context.Context, w store.Write) (int64, error) {
	rv, err := s.store.Write(ctx, w)
	if err != nil || w.Query.Row.Phase != string(arkv1alpha1.QueryDone) {
		return rv, err
	}
	if err := s.db.DeleteWorker(s.ctx, s.pool, w.Lease.Worker); err != nil {
		return 0, err
	}
	<-s.ended
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnknownOutcome, ctx.Err())
	}
	return rv, nil
}

// The session ends while a final status is written: the run says what became of it.
func TestStoredResultIsNotCalledLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	began, ended := make(chan *arkv1alpha1.Query, 100), make(chan struct{})
	var once sync.Once
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		began <- q
		if q.Name == "one" {
			return answer("stored")
		}
		<-ctx.Done() // with its session
		once.Do(func() { close(ended) })
		return cutOffOutcome(ctx, q)
	}), func(o *Options) { o.Store, o.LeaseDuration = &slowAnswer{fixture: f, ended: ended}, time.Second })
	f.create(newQuery("team", "bystander"))
	f.next(began)
	q := f.create(newQuery("team", "one"))
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	f.outcomes(q, "done")
}

// Workers are restarted over and over, in the middle of everything: every Query
// ends, answered once, and no restart counts as an attempt.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 40
	var all []*arkv1alpha1.Query
	for i := range n {
		all = append(all, f.create(newQuery(fmt.Sprintf("ns-%d", i%4), fmt.Sprintf("q-%d", i))))
	}
	g := newGate()
	for range 4 {
		w := f.start(g, func(o *Options) { o.Concurrency, o.MaxAttempts = 8, 1 })
		for range 8 {
			f.next(g.began)
		}
		for range 4 {
			g.open <- struct{}{}
		}
		f.eventually("some have ended", func() bool { return len(g.open) == 0 })
		w.stop()
	}
	f.start(g, func(o *Options) { o.MaxAttempts = 1 })
	for range n {
		g.open <- struct{}{}
	}
	f.queueEmpty()
	for _, q := range all {
		checkEnd(t, f.get(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
		f.outcomes(q, "done")
	}
}
