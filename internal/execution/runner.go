// Package execution runs one Query: it finds the target, calls models and tools,
// and says what belongs into the Query's status. It knows nothing of queues: who
// leases a Query, records its turns and writes its status is up to the caller.
package execution

import (
	"context"
	"fmt"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
)

const (
	// DefaultMaxTurns bounds how often an agent may call its model.
	DefaultMaxTurns = 50
)

// Events tells users what happens to their Queries, as Kubernetes Events. It must
// not block; record.EventRecorder of client-go fits.
type Events interface {
	Event(object runtime.Object, eventType, reason, message string)
}

// ReaderFor returns a reader with the rights of a ServiceAccount.
type ReaderFor func(ctx context.Context, namespace, serviceAccount string) (client.Reader, error)

// Options of a Runner.
type Options struct {
	// Reader reads what Queries refer to, with the rights of the worker. Needed.
	Reader client.Reader
	// APIReader reads past the cache, if Reader has one: it is asked once more for
	// what Reader does not find, since a cache may lag behind. May be nil.
	APIReader client.Reader
	// ReaderFor is asked where a Query names a serviceAccount. If nil, such a
	// Query ends in an error.
	ReaderFor ReaderFor
	// AllowCrossNamespace lets agents refer to Models, and values to Services, of
	// other namespaces with the worker's rights. A Query with a serviceAccount may, if that account may.
	AllowCrossNamespace bool
	// HTTP makes all requests to models and tools; nil means clients with the
	// strictest egress policy.
	HTTP *egress.Clients
	// MaxTurns of an agent; 0 means DefaultMaxTurns.
	MaxTurns int
	// MaxModelRetries of one call of a model; nil means model.DefaultMaxRetries.
	MaxModelRetries *int
	// Clock tells the time of turns and durations; nil means the real one.
	Clock clock.PassiveClock
	// Metrics counts executions; nil: nobody does.
	Metrics *Metrics
	// Events is told about start, end and warnings; nil means nobody is.
	Events Events
	// AllEvents tells of each agent, model call and tool call too, at its start and
	// its end: some six times as many Events.
	AllEvents bool
}

// Runner executes Queries. It is safe for concurrent use.
type Runner struct {
	reader         *steadyReader
	readerFor      ReaderFor
	crossNamespace bool
	http           *egress.Clients
	maxTurns       int
	modelRetries   *int
	clock          clock.PassiveClock
	metrics        *Metrics
	events         Events
	allEvents      bool
}

// New returns a Runner.
func New(o Options) *Runner {
	r := &Runner{
		reader: &steadyReader{o.Reader, o.APIReader, readBackoff}, readerFor: o.ReaderFor, crossNamespace: o.AllowCrossNamespace,
		http: o.HTTP, maxTurns: o.MaxTurns, modelRetries: o.MaxModelRetries, clock: o.Clock, metrics: o.Metrics, events: o.Events, allEvents: o.AllEvents,
	}
	if r.http == nil {
		r.http = egress.NewClients(context.Background(), egress.Policy{})
	}
	if r.maxTurns <= 0 {
		r.maxTurns = DefaultMaxTurns
	}
	if r.clock == nil {
		r.clock = clock.RealClock{}
	}
	return r
}

// Run executes a Query with the spec as it stands, within spec.timeout, and
// returns what belongs into its status. It does not write to q.
//
// The caller ends it early by canceling ctx with a cause: ErrCanceled makes the
// Query canceled; any other cause, such as ErrLeaseLost, leaves the Outcome
// Interrupted. Each model turn and tool call is handed to rec, unless it is nil,
// as it ends; calls do not overlap. An error of rec ends the Query.
func (r *Runner) Run(ctx context.Context, q *arkv1alpha1.Query, rec Recorder) Outcome {
	started := r.clock.Now()
	timeout := q.Timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimeout)
	defer cancel()
	logger := klog.FromContext(ctx).WithValues("query", klog.KObj(q), "uid", q.UID)
	ctx = klog.NewContext(ctx, logger)

	x := newRun(r, q, rec)
	r.metrics.begin()
	x.event(corev1.EventTypeNormal, "QueryExecutionStart", "Execution has begun")
	var result answer
	err := guard(ctx, func() (err error) {
		result, err = x.execute(ctx)
		return err
	})
	outcome := x.outcome(ctx, result, err, timeout)
	outcome.Duration = r.clock.Since(started)
	r.metrics.end(outcome)
	x.announce(outcome)
	logger.V(2).Info("Query executed", "phase", outcome.Phase, "reason", outcome.Reason, "duration", outcome.Duration, "interrupted", outcome.Interrupted)
	return outcome
}

// Announce tells the end of a Query that was not executed, as Run tells that of
// one which was. It is for the caller who made the Outcome with Ended and has
// stored it.
func (r *Runner) Announce(q *arkv1alpha1.Query, o Outcome) {
	newRun(r, q, nil).announce(o)
}

// announce tells the end as an Event. An interrupted execution has none: another
// worker will go on.
func (x *run) announce(o Outcome) {
	switch {
	case o.Interrupted != nil:
	case o.Phase == arkv1alpha1.QueryError:
		x.event(corev1.EventTypeWarning, "QueryExecutionError", o.Message)
	default:
		x.event(corev1.EventTypeNormal, "QueryExecutionComplete", o.Message)
	}
}

// guard turns a panic into an error: a fault met by one Query must not take the
// others of the process with it.
func guard(ctx context.Context, f func() error) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			klog.FromContext(ctx).Error(nil, "Panic while executing a Query", "panic", recovered, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error (a bug in Ark): %v", recovered)
		}
	}()
	return f()
}
