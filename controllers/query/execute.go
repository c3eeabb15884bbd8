package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// lastWords is how long a process that stops takes at most to say that a Query
// waits again.
const lastWords = 5 * time.Second

// Why a Query is no longer to be written to.
var (
	errGone     = errors.New("the Query is gone")
	errFinished = errors.New("the Query is finished")
)

// execute runs one Query from its first status to its last.
func (x *Executor) execute(r *running, key types.NamespacedName) {
	ctx := klog.NewContext(r.ctx, klog.FromContext(r.ctx).WithValues("query", key))
	err := x.attempt(ctx, r, key)
	if err != nil && !errors.Is(err, errGone) && !errors.Is(err, errFinished) && r.ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "A Query can neither be executed nor ended now")
	}
}

func (x *Executor) attempt(ctx context.Context, r *running, key types.NamespacedName) error {
	q, err := x.read(ctx, key, r.uid)
	if err != nil {
		return err
	}
	if q.Ending() || q.Held() {
		return nil // its own event puts it in its place
	}
	if err := x.write(ctx, q, x.markRunning); err != nil {
		return err
	}
	outcome := x.Runner.Run(ctx, q.DeepCopy(), nil)
	if outcome.Interrupted != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		return x.write(last, q, x.markAgain)
	}
	// The end must be written, also after the cancellation that brought it about.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(x.leadership(), func() { time.AfterFunc(lastWords, cancel) })()
	return x.finish(last, q, outcome)
}

// leadership ends when this process no longer leads.
func (x *Executor) leadership() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.leading != nil {
		return x.leading
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return ended
}

// finish writes the outcome. One that cannot be stored is replaced by an error that
// says so: a Query must end.
func (x *Executor) finish(ctx context.Context, q *arkv1alpha1.Query, o execution.Outcome) error {
	err := x.write(ctx, q, func(q *arkv1alpha1.Query) { o.Apply(q, x.now()) })
	if !apierrors.IsInvalid(err) && !apierrors.IsRequestEntityTooLargeError(err) {
		return err
	}
	klog.FromContext(ctx).Error(err, "The outcome of a Query cannot be stored")
	o = execution.Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored, fmt.Sprintf("The outcome could not be stored: %v", err))
	return x.write(ctx, q, func(q *arkv1alpha1.Query) { o.Apply(q, x.now()) })
}

// endWithout ends a Query that was not executed.
func (x *Executor) endWithout(ctx context.Context, q *arkv1alpha1.Query, phase arkv1alpha1.QueryPhase, reason, message string) error {
	o := execution.Ended(q, phase, reason, message)
	err := x.write(ctx, q, func(q *arkv1alpha1.Query) { o.Apply(q, x.now()) })
	switch {
	case err == nil:
		x.Runner.Announce(q, o)
	case errors.Is(err, errGone), errors.Is(err, errFinished):
		return nil
	}
	return err
}

// read reads a Query as it is now, if it is still the same and not finished.
func (x *Executor) read(ctx context.Context, key types.NamespacedName, uid types.UID) (*arkv1alpha1.Query, error) {
	var q arkv1alpha1.Query
	err := x.Live.Get(ctx, key, &q)
	switch {
	case apierrors.IsNotFound(err), err == nil && q.UID != uid:
		return nil, errGone
	case err != nil:
		return nil, fmt.Errorf("read query %s: %w", key, err)
	case q.Status.Phase.IsTerminal():
		return nil, errFinished
	}
	return &q, nil
}

// write changes the status by compare and swap, again until nobody else has
// written in between; q becomes what is stored. A cluster that is away is waited
// for until ctx ends. What stays the same is not written.
func (x *Executor) write(ctx context.Context, q *arkv1alpha1.Query, change func(*arkv1alpha1.Query)) error {
	away := wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 100, Cap: 5 * time.Second}
	for {
		err := x.tryWrite(ctx, q, change)
		switch {
		case err == nil:
			return nil
		case apierrors.IsNotFound(err):
			return errGone
		case ctx.Err() != nil, apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsRequestEntityTooLargeError(err):
			return fmt.Errorf("write the status of query %s/%s: %w", q.Namespace, q.Name, err)
		case apierrors.IsConflict(err):
		default:
			klog.FromContext(ctx).V(2).Info("The status of a Query will be written when the cluster is back", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(away.Step()):
			}
		}
		now, err := x.read(ctx, client.ObjectKeyFromObject(q), q.UID)
		if errors.Is(err, errGone) || errors.Is(err, errFinished) {
			return err
		}
		if err == nil {
			*q = *now
		}
	}
}

func (x *Executor) tryWrite(ctx context.Context, q *arkv1alpha1.Query, change func(*arkv1alpha1.Query)) error {
	before := q.DeepCopy()
	updated := q.DeepCopy()
	change(updated)
	if equality.Semantic.DeepEqual(before.Status, updated.Status) {
		return nil
	}
	if err := x.Client.Status().Patch(ctx, updated, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	*q = *updated
	return nil
}

// now is the time as a status holds it, to the second.
func (x *Executor) now() time.Time { return x.Clock.Now().Truncate(time.Second) }

func (x *Executor) markRunning(q *arkv1alpha1.Query) { execution.MarkRunning(q, x.now()) }

// markQueued makes the status that of a Query which waits: since its creation, or
// since it was let go, or since the leader that executed it has gone.
func (x *Executor) markQueued(q *arkv1alpha1.Query) {
	switch {
	case q.Status.Phase == arkv1alpha1.QueryQueued:
	case meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted) == nil:
		execution.MarkWaiting(q, q.CreationTimestamp.Time)
	default:
		x.markAgain(q)
	}
}

// markAgain makes the status that of a Query whose wait begins anew.
func (x *Executor) markAgain(q *arkv1alpha1.Query) {
	execution.MarkWaiting(q, x.now())
	if c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted); c != nil {
		c.LastTransitionTime = metav1.NewTime(x.now())
	}
}

// markHeld makes the status that of a Query which is held.
func (x *Executor) markHeld(q *arkv1alpha1.Query) {
	if q.Status.Phase != arkv1alpha1.QueryPending || meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted) == nil {
		execution.MarkWaiting(q, x.now())
	}
}

// waitingSince is when the wait of a Query began.
func waitingSince(q *arkv1alpha1.Query) time.Time {
	c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted)
	if c == nil || c.Reason != arkv1alpha1.ReasonQueryQueued || c.LastTransitionTime.IsZero() {
		return q.CreationTimestamp.Time
	}
	return c.LastTransitionTime.Time
}
