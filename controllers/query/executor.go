package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// DefaultConcurrency is how many queries the leader executes at once.
const DefaultConcurrency = 32

// Runner executes one Query; *execution.Runner is one.
type Runner interface {
	Run(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome
	Announce(q *arkv1alpha1.Query, o execution.Outcome)
}

// Executor executes Queries in the process that leads: without a database there is
// no queue that others could take them from. A Query that was running when the last
// leader went is executed again; one whose result is stored never is.
type Executor struct {
	// Client reads Queries from its cache, and writes their status.
	Client client.Client
	// Live reads past the cache.
	Live   client.Reader
	Runner Runner
	Clock  clock.PassiveClock
	// Concurrency is how many are executed at once; 0: DefaultConcurrency.
	Concurrency int

	mu      sync.Mutex
	leading context.Context // ends with the leadership; nil: not yet, or no more
	waiting map[types.NamespacedName]*waiting
	running map[types.NamespacedName]*running
	tasks   sync.WaitGroup
}

// waiting is a Query that waits for its turn.
type waiting struct {
	uid      types.UID
	priority int
	since    time.Time
}

// running is a Query that is being executed here.
type running struct {
	uid types.UID
	ctx context.Context
	cut context.CancelCauseFunc
}

// errLeadershipLost is the cause that ends executions with the leadership.
var errLeadershipLost = errors.New("this process no longer leads")

// SetupWithManager registers the controller, and what ends executions with it.
func (x *Executor) SetupWithManager(mgr ctrl.Manager) error {
	if x.Concurrency == 0 {
		x.Concurrency = DefaultConcurrency
	}
	x.waiting, x.running = map[types.NamespacedName]*waiting{}, map[types.NamespacedName]*running{}
	if err := mgr.Add(x); err != nil {
		return fmt.Errorf("add the executor of queries: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).For(&arkv1alpha1.Query{}).Named("query").Complete(x)
}

// NeedLeaderElection says that only the leader executes.
func (x *Executor) NeedLeaderElection() bool { return true }

// Start lets executions begin until ctx ends, and then ends those that go on.
func (x *Executor) Start(ctx context.Context) error {
	leading, end := context.WithCancelCause(context.WithoutCancel(ctx))
	x.mu.Lock()
	x.leading = leading
	x.mu.Unlock()
	x.dispatch()
	<-ctx.Done()
	x.mu.Lock()
	x.leading = nil
	x.mu.Unlock()
	end(errLeadershipLost)
	x.tasks.Wait()
	return nil
}

// Reconcile puts a Query in its place: among those that wait, ended without an
// execution, cut off, or deleted because its time is over.
func (x *Executor) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	key := req.NamespacedName
	var q arkv1alpha1.Query
	if err := x.Client.Get(ctx, key, &q); err != nil {
		if client.IgnoreNotFound(err) == nil {
			x.forget(key, "")
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("read query %s: %w", key, err)
	}
	switch here := x.forget(key, q.UID); {
	case q.Status.Phase.IsTerminal() && q.DeletionTimestamp != nil:
		return ctrl.Result{}, x.release(ctx, &q)
	case q.Status.Phase.IsTerminal():
		return x.expire(ctx, &q)
	case q.Ending() && here:
		x.cut(key, execution.ErrCanceled)
	case q.Ending():
		return ctrl.Result{}, x.endWithout(ctx, &q, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled,
			"The Query was canceled before it was executed")
	case here:
	case q.Held():
		return ctrl.Result{}, x.write(ctx, &q, x.markHeld)
	default:
		return x.wait(ctx, &q)
	}
	return ctrl.Result{}, nil
}

// wait has a Query wait for its turn, at most until its timeout.
func (x *Executor) wait(ctx context.Context, q *arkv1alpha1.Query) (ctrl.Result, error) {
	timeout := q.Timeout()
	if err := x.write(ctx, q, x.markQueued); err != nil {
		return ctrl.Result{}, err
	}
	since := waitingSince(q)
	left := timeout - x.Clock.Since(since)
	if left <= 0 {
		return ctrl.Result{}, x.endWithout(ctx, q, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue,
			fmt.Sprintf("The Query was not executed within spec.timeout (%s)", timeout))
	}
	x.mu.Lock()
	x.waiting[client.ObjectKeyFromObject(q)] = &waiting{uid: q.UID, priority: q.Priority(), since: since}
	x.mu.Unlock()
	x.dispatch()
	return ctrl.Result{RequeueAfter: left}, nil
}

// forget takes a Query from those that wait, and tells whether it is executed here;
// another one of the same name is cut off.
func (x *Executor) forget(key types.NamespacedName, uid types.UID) (here bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.waiting, key)
	r := x.running[key]
	if r != nil && r.uid != uid {
		r.cut(execution.ErrCanceled)
		return false
	}
	return r != nil
}

func (x *Executor) cut(key types.NamespacedName, cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.running[key]; r != nil {
		r.cut(cause)
	}
}

// dispatch begins as many executions as there is room for: by priority, then age.
func (x *Executor) dispatch() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.leading != nil && len(x.running) < x.Concurrency {
		key, next := x.next()
		if next == nil {
			return
		}
		delete(x.waiting, key)
		r := &running{uid: next.uid}
		r.ctx, r.cut = context.WithCancelCause(x.leading)
		x.running[key] = r
		x.tasks.Go(func() {
			defer x.dispatch()
			defer x.end(key, r)
			x.execute(r, key)
		})
	}
}

// next is the Query whose turn it is; one of a name that is still being executed
// has to wait. nil: there is none.
func (x *Executor) next() (key types.NamespacedName, first *waiting) {
	for k, w := range x.waiting {
		if _, busy := x.running[k]; busy {
			continue
		}
		if first == nil || w.priority > first.priority || w.priority == first.priority && w.since.Before(first.since) {
			key, first = k, w
		}
	}
	return key, first
}

func (x *Executor) end(key types.NamespacedName, r *running) {
	r.cut(nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.running, key)
}

// expire deletes a finished Query when its time to live, counted from its
// completion, has passed.
func (x *Executor) expire(ctx context.Context, q *arkv1alpha1.Query) (ctrl.Result, error) {
	completed, ok := q.CompletedAt()
	if !ok {
		completed = q.CreationTimestamp.Time
	}
	left := q.TTL() - x.Clock.Since(completed)
	if left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	err := x.Client.Delete(ctx, &arkv1alpha1.Query{ObjectMeta: metav1.ObjectMeta{Namespace: q.Namespace, Name: q.Name}},
		client.Preconditions{UID: &q.UID})
	if err != nil && !gone(err) {
		return ctrl.Result{}, fmt.Errorf("delete expired query %s/%s: %w", q.Namespace, q.Name, err)
	}
	return ctrl.Result{}, nil
}

// release removes the finalizer of earlier releases, which nobody else would remove,
// from a Query that has ended and is deleted.
func (x *Executor) release(ctx context.Context, q *arkv1alpha1.Query) error {
	before := q.DeepCopy()
	if !controllerutil.RemoveFinalizer(q, arkv1alpha1.Finalizer) {
		return nil
	}
	err := x.Client.Patch(ctx, q, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove the finalizer of query %s/%s: %w", q.Namespace, q.Name, err)
	}
	return nil
}
