package workers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

// deadline bounds every wait of the tests; it decides nothing but how long a
// failure takes.
const deadline = 60 * time.Second

// fixture is a database of its own, with a store as the API server has one.
type fixture struct {
	testing.TB
	ctx   context.Context
	url   string
	pool  *pgxpool.Pool
	store *store.Store
	codec *codec
	db    *db.Queries
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return openFixture(t, pgtest.URL(t))
}

func openFixture(t testing.TB, url string) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f := &fixture{TB: t, ctx: ctx, url: url, db: db.New(), pool: newPool(t, url, "test")}
	f.store = store.Open(ctx, f.pool, store.Options{})
	t.Cleanup(f.store.Close)
	var err error
	if f.codec, err = newCodec(nil); err != nil {
		t.Fatal(err)
	}
	return f
}

func newPool(t testing.TB, url, name string) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.NewPool(context.Background(), url, pg.Options{ApplicationName: name, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// newQuery is a Query as the API server has it at birth.
func newQuery(namespace, name string, change ...func(*arkv1alpha1.Query)) *arkv1alpha1.Query {
	q := &arkv1alpha1.Query{
		TypeMeta: metav1.TypeMeta{APIVersion: arkv1alpha1.GroupVersion.String(), Kind: "Query"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(uuid.NewString()), Generation: 1,
			CreationTimestamp: metav1.NewTime(time.Now().Truncate(time.Second)),
		},
		Spec: arkv1alpha1.QuerySpec{
			Type: arkv1alpha1.QueryTypeUser, Input: apiextensionsv1.JSON{Raw: []byte(`"What is it?"`)}, Timeout: "5m",
			Target: &arkv1alpha1.QueryTarget{Type: arkv1alpha1.TargetModel, Name: "default"},
		},
	}
	execution.MarkQueued(q, time.Now())
	for _, c := range change {
		c(q)
	}
	return q
}

func (f *fixture) create(q *arkv1alpha1.Query) *arkv1alpha1.Query {
	f.Helper()
	f.apply(key(q), 0, nil, q)
	return q
}

func key(q *arkv1alpha1.Query) string { return q.Namespace + "/" + q.Name }

// apply writes as the API server does: by compare and swap, with the effect on the queue.
func (f *fixture) apply(key string, expect int64, old, updated *arkv1alpha1.Query) {
	f.Helper()
	if err := f.tryApply(key, expect, old, updated); err != nil {
		f.Fatalf("write %s: %v", key, err)
	}
}

func (f *fixture) tryApply(key string, expect int64, old, updated *arkv1alpha1.Query) error {
	w := store.Write{Resource: store.ResourceQueries, Key: key, Expect: expect, Query: store.QueryChangeOf(old, updated, time.Now())}
	if updated != nil {
		body, err := f.codec.marshal(updated)
		if err != nil {
			return err
		}
		w.Body = body
	}
	_, err := f.store.Write(f.ctx, w)
	return err
}

func (f *fixture) stored(key string) *stored {
	f.Helper()
	o, _, err := f.store.Get(f.ctx, store.ResourceQueries, key)
	if err != nil {
		f.Fatal(err)
	}
	if o.RV == 0 {
		f.Fatalf("%s does not exist", key)
	}
	now, err := f.codec.decode(f.ctx, key, o.RV, o.Body)
	if err != nil {
		f.Fatal(err)
	}
	return now
}

func (f *fixture) get(key string) *arkv1alpha1.Query { f.Helper(); return f.stored(key).query }

// update changes a Query as a user would, repeating on a conflict; nil deletes it.
func (f *fixture) update(key string, change func(*arkv1alpha1.Query)) {
	f.Helper()
	for {
		now := f.stored(key)
		var updated *arkv1alpha1.Query
		if change != nil {
			updated = now.query.DeepCopy()
			change(updated)
		}
		err := f.tryApply(key, now.rv, now.query, updated)
		var conflict *store.Conflict
		if errors.As(err, &conflict) {
			continue
		}
		if err != nil {
			f.Fatal(err)
		}
		return
	}
}

func (f *fixture) delete(key string) { f.Helper(); f.update(key, nil) }

// eventually waits until the condition holds, looking often.
func (f *fixture) eventually(what string, holds func() bool) {
	f.Helper()
	f.within(deadline, what, holds)
}

func (f *fixture) within(patience time.Duration, what string, holds func() bool) {
	f.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(end) {
			f.Fatalf("it never became true that %s", what)
		}
		<-tick.C
	}
}

// ended waits for the end of a Query and returns it.
func (f *fixture) ended(key string) *arkv1alpha1.Query {
	f.Helper()
	f.eventually(key+" has ended", func() bool { return f.get(key).Status.Phase.IsTerminal() })
	return f.get(key)
}

func (f *fixture) phase(key string, phase arkv1alpha1.QueryPhase) {
	f.Helper()
	f.eventually(fmt.Sprintf("%s is %s", key, phase), func() bool { return f.get(key).Status.Phase == phase })
}

// queueEmpty waits until no entry is left.
func (f *fixture) queueEmpty() {
	f.Helper()
	f.eventually("the queue is empty", func() bool { return len(f.queue()) == 0 })
}

// queue returns the depth of the queue by state.
func (f *fixture) queue() map[string]int64 {
	f.Helper()
	rows, err := f.db.CountQueue(f.ctx, f.pool)
	if err != nil {
		f.Fatal(err)
	}
	depth := map[string]int64{}
	for _, row := range rows {
		depth[row.State] = row.N
	}
	return depth
}

func (f *fixture) runs(q *arkv1alpha1.Query) []db.ArkRun {
	f.Helper()
	rows, err := f.db.ListRuns(f.ctx, f.pool, string(q.UID), 100)
	if err != nil {
		f.Fatal(err)
	}
	return rows
}

func (f *fixture) turns(q *arkv1alpha1.Query) []db.ArkTurn {
	f.Helper()
	rows, err := f.db.ListTurns(f.ctx, f.pool, string(q.UID), 1000)
	if err != nil {
		f.Fatal(err)
	}
	return rows
}

// outcomes waits until a Query's runs have ended as expected.
func (f *fixture) outcomes(q *arkv1alpha1.Query, want ...string) {
	f.Helper()
	f.eventually(fmt.Sprintf("the runs of %s ended as %v", key(q), want), func() bool {
		var got []string
		for _, row := range f.runs(q) {
			got = append(got, row.Outcome)
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
}

// worker is a running Workers.
type worker struct {
	*Workers
	// cancel tells it to stop, stop also waits for that.
	cancel context.CancelFunc
	stop   func()
}

// start runs workers until stop is called or the test ends.
func (f *fixture) start(runner Runner, change ...func(*Options)) *worker {
	f.Helper()
	o := Options{Pool: newPool(f.TB, f.url, "workers"), Store: f.store, Runner: runner, GracePeriod: -1}
	for _, c := range change {
		c(&o)
	}
	w, err := New(o)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			f.Errorf("workers: %v", err)
		}
	}()
	stop := func() {
		cancel()
		select {
		case <-done:
		case <-time.After(deadline):
			f.Errorf("the workers did not stop")
		}
	}
	f.Cleanup(stop)
	return &worker{Workers: w, cancel: cancel, stop: stop}
}

// runnerFunc is a Runner of one function.
type runnerFunc func(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome

func (r runnerFunc) Run(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome {
	return r(ctx, q, rec)
}

// answer is the outcome of a Query that was answered.
func answer(content string) execution.Outcome {
	return execution.Outcome{
		Phase: arkv1alpha1.QueryDone, Reason: arkv1alpha1.ReasonQuerySucceeded, Message: "The Query was answered",
		Response:   &arkv1alpha1.Response{Content: content, Phase: "done"},
		TokenUsage: arkv1alpha1.TokenUsage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7},
		Duration:   time.Second,
	}
}

// cutOffOutcome is what the real Runner returns when its context ends.
func cutOffOutcome(ctx context.Context, q *arkv1alpha1.Query) execution.Outcome {
	cause := context.Cause(ctx)
	if errors.Is(cause, execution.ErrCanceled) {
		return execution.Ended(q, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, cause.Error())
	}
	return execution.Outcome{Interrupted: cause}
}

// gate is a Runner whose executions wait until they are let through, or cut off.
type gate struct {
	began chan *arkv1alpha1.Query
	open  chan struct{}
}

func newGate() *gate {
	return &gate{began: make(chan *arkv1alpha1.Query, 10000), open: make(chan struct{}, 10000)}
}

func (g *gate) Run(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
	g.began <- q
	select {
	case <-g.open:
		return answer("answer to " + q.Name)
	case <-ctx.Done():
		return cutOffOutcome(ctx, q)
	}
}

// next waits for an execution to begin.
func (f *fixture) next(began <-chan *arkv1alpha1.Query) *arkv1alpha1.Query {
	f.Helper()
	select {
	case q := <-began:
		return q
	case <-time.After(deadline):
		f.Fatal("no execution began")
		return nil
	}
}

// everyQuery is the range of all Queries.
var everyQuery = store.Prefix(store.ResourceQueries, "")

// writeBody stores bytes at the key of a Query, which is enqueued if it is new.
func (f *fixture) writeBody(q *arkv1alpha1.Query, expect int64, body []byte) int64 {
	f.Helper()
	w := store.Write{Resource: store.ResourceQueries, Key: key(q), Expect: expect, Body: body}
	if expect == 0 {
		w.Query = store.QueryChangeOf(nil, q, time.Now())
	}
	rv, err := f.store.Write(f.ctx, w)
	if err != nil {
		f.Fatal(err)
	}
	return rv
}
