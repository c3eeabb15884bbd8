package workers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/klog/v2"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

// process brings a leased entry to its end. An error says that this worker can
// neither execute nor end it.
func (s *session) process(ctx context.Context, e *entry) error {
	err := s.attempt(ctx, e)
	e.settled.Store(true)
	switch {
	case err == nil:
	case isLost(err):
		klog.FromContext(ctx).Info("The Query is no longer this worker's", "cause", err)
	case errors.Is(err, errGone), errors.Is(err, errFinished):
		return s.drop(ctx, e, err)
	default:
		return err
	}
	return nil
}

// attempt executes the Query of an entry, or ends it without that.
func (s *session) attempt(ctx context.Context, e *entry) error {
	now, err := s.read(ctx, e)
	if err != nil {
		return err
	}
	if now.query.Status.Phase.IsTerminal() {
		return errFinished
	}
	if end := s.endWithout(ctx, e, now.query); end != nil {
		err := s.finish(ctx, e, now, *end)
		if err == nil && s.Announce != nil {
			s.Announce(now.query, *end)
		}
		return err
	}
	started := s.Clock.Now()
	now, err = s.write(ctx, e, now, func(q *arkv1alpha1.Query) { execution.MarkRunning(q, s.now()) })
	if err != nil {
		return err
	}
	r := newRun(s, e, now.query)
	if err := r.start(ctx, started); err != nil {
		return err
	}
	outcome := s.execute(e.ctx, now.query, r)
	e.settled.Store(true)
	if cause := outcome.Interrupted; cause != nil {
		return s.interrupted(ctx, e, now, r, cause)
	}
	err = s.finish(ctx, e, now, outcome)
	if isLost(err) || errors.Is(err, errGone) || errors.Is(err, errFinished) {
		return errors.Join(err, r.end(ctx, runLost, execution.Outcome{Message: err.Error()}))
	}
	return errors.Join(err, r.end(ctx, string(outcome.Phase), outcome))
}

// endWithout says how a Query ends that is not to be executed; nil: it is.
func (s *session) endWithout(ctx context.Context, e *entry, q *arkv1alpha1.Query) *execution.Outcome {
	var o execution.Outcome
	switch {
	case e.Cancel, q.Spec.Cancel, q.DeletionTimestamp != nil:
		o = execution.Ended(q, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled,
			"The Query was canceled before a worker executed it")
	case int(e.Attempt) > s.MaxAttempts:
		o = execution.Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored, s.exhausted(ctx, e))
	case e.Overdue:
		o = execution.Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue,
			waitedTooLong(e))
	default:
		return nil
	}
	return &o
}

// waitedTooLong says how long an entry was allowed to wait: that is not always what
// the spec says now. The attempt that was counted last is the one to end it.
func waitedTooLong(e *entry) string {
	limit := time.Duration(e.WaitMs) * time.Millisecond
	if e.Attempt > 1 {
		return fmt.Sprintf("The execution was broken off, and no worker took the Query up again within spec.timeout (%s)", limit)
	}
	return fmt.Sprintf("No worker took the Query up within spec.timeout (%s)", limit)
}

// exhausted explains why a Query is not tried again.
func (s *session) exhausted(ctx context.Context, e *entry) string {
	message := fmt.Sprintf("Given up after %d attempts: each time the worker died or lost its database", e.Attempt-1)
	worker, err := s.db.GetRunWorker(ctx, s.Pool, e.UID, e.Attempt-1)
	if errors.Is(err, pgx.ErrNoRows) {
		return message
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "The last worker of the Query is not known")
		return message
	}
	return message + "; the last one was " + worker
}

// execute calls the Runner. A panic ends the Query, not the process: every
// worker that took it up after this one would die as well.
func (s *session) execute(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) (o execution.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			klog.FromContext(s.life).Error(nil, "The execution of a Query panicked", "query", klog.KObj(q), "panic", p, "stack", string(debug.Stack()))
			o = execution.Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored, fmt.Sprintf("internal error: %v", p))
		}
	}()
	return s.Runner.Run(ctx, q.DeepCopy(), rec)
}

// interrupted ends an attempt without an outcome. If that is because the worker
// stops, the Query waits again.
func (s *session) interrupted(ctx context.Context, e *entry, now *stored, r *run, cause error) error {
	if !errors.Is(context.Cause(e.ctx), errReleased) {
		return errors.Join(cause, r.end(ctx, runLost, execution.Outcome{Message: cause.Error()}))
	}
	e.unfinished.Store(true)
	if err := r.end(ctx, runReleased, execution.Outcome{Message: "The worker stopped"}); err != nil {
		return err
	}
	_, err := s.write(ctx, e, now, func(q *arkv1alpha1.Query) { execution.MarkWaiting(q, s.now()) })
	return err
}

// finish writes the final status, which also ends the queue entry. An outcome
// that cannot be stored is replaced by an error that says so: a Query must end.
func (s *session) finish(ctx context.Context, e *entry, now *stored, o execution.Outcome) error {
	e.settled.Store(true)
	ctx, done := s.lastWords(ctx)
	defer done()
	_, err := s.write(ctx, e, now, func(q *arkv1alpha1.Query) { o.Apply(q, s.now()) })
	if err == nil || isLost(err) || errors.Is(err, errGone) || errors.Is(err, errFinished) {
		return err
	}
	klog.FromContext(ctx).Error(err, "The outcome of the Query cannot be stored")
	o = execution.Ended(now.query, arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored,
		fmt.Sprintf("The outcome could not be stored: %v", err))
	_, err = s.write(ctx, e, now, func(q *arkv1alpha1.Query) { o.Apply(q, s.now()) })
	return err
}

// drop ends an entry whose Query needs nothing any more. Usually the entry went
// with the Query, and there is nothing to drop.
func (s *session) drop(ctx context.Context, e *entry, why error) error {
	n, err := s.db.DropLease(ctx, s.Pool, db.DropLeaseParams{ID: e.ID, Worker: s.id, Attempt: e.Attempt})
	if err != nil {
		return fmt.Errorf("drop entry (%w): %w", why, err)
	}
	if n > 0 {
		klog.FromContext(ctx).Info("Dropped an entry from the queue", "cause", why)
	}
	return nil
}

// now is the time as a status holds it, to the second.
func (w *Workers) now() time.Time { return w.Clock.Now().Truncate(time.Second) }

func sameStatus(a, b *arkv1alpha1.Query) bool {
	return equality.Semantic.DeepEqual(a.Status, b.Status)
}
