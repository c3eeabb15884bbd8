package workers

import (
	"context"
	"fmt"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
)

// startPatient runs workers that look for nothing by themselves within an hour:
// only what they hear makes them act. It returns when they listen.
func (f *fixture) startPatient(runner Runner) {
	f.Helper()
	connected := make(chan struct{}, 10)
	f.start(runner, func(o *Options) {
		o.LeaseDuration, o.Heartbeat, o.Poll = 3*time.Hour, time.Hour, time.Hour
		subscribe := listenOn(o.Pool)
		o.Subscribe = func(ctx context.Context, notify func(string)) {
			subscribe(ctx, func(channel string) {
				notify(channel)
				if channel == pg.Connected {
					connected <- struct{}{}
				}
			})
		}
	})
	select {
	case <-connected:
	case <-time.After(deadline):
		f.Fatal("the workers do not listen")
	}
}

// A cancel and a deletion reach the execution by a notification, not with the
// next heartbeat, and an idle worker hears of work by one.
func TestNotificationsReachExecutions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.startPatient(g)
	// With this one the worker has found that nothing else waits.
	first := f.create(newQuery("team", "first"))
	f.next(g.began)
	g.open <- struct{}{}
	f.ended(key(first))

	cancelled, deleted := f.create(newQuery("team", "cancelled")), f.create(newQuery("team", "deleted"))
	f.next(g.began)
	f.next(g.began)
	f.update(key(cancelled), cancelQuery)
	checkEnd(t, f.ended(key(cancelled)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	f.delete(key(deleted))
	f.outcomes(deleted, "lost")
	f.queueEmpty()
}

// A Query that waits is ended at once when it is cancelled, although all slots are
// in use and nobody looks.
func TestNotificationReachesTheQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.startPatient(g)
	for i := range 32 {
		f.create(newQuery("team", fmt.Sprintf("busy-%d", i)))
	}
	f.eventually("all slots are in use", func() bool { return len(g.began) == 32 })
	q := f.create(newQuery("team", "waits"))
	f.update(key(q), cancelQuery)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	if len(f.runs(q)) > 0 {
		t.Error("it was executed")
	}
}

// change is an edit of all that an execution depends on.
func change(q *arkv1alpha1.Query) {
	q.Spec.Input = apiextensionsv1.JSON{Raw: []byte(`"Something else"`)}
	q.Spec.Target = &arkv1alpha1.QueryTarget{Type: arkv1alpha1.TargetAgent, Name: "another"}
	q.Spec.Timeout = "1ms"
	q.Generation++
}

// A Query is executed once, with the spec that it has when it is leased; what is
// edited later changes nothing.
func TestSpecIsReadWhenLeased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	q := f.create(newQuery("team", "one"))
	f.update(key(q), func(q *arkv1alpha1.Query) {
		q.Spec.Input = apiextensionsv1.JSON{Raw: []byte(`"Edited while it waited"`)}
	})
	g := newGate()
	f.start(runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome {
		if o := g.Run(ctx, q, rec); o.Interrupted != nil {
			return o
		}
		return answer(string(q.Spec.Input.Raw) + " to " + q.Spec.Target.Name + " within " + string(q.Spec.Timeout))
	}))
	f.next(g.began)
	f.update(key(q), change)
	g.open <- struct{}{}
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	if want := `"Edited while it waited" to default within 5m`; got.Status.Response.Content != want {
		t.Errorf("executed with %s, want %s", got.Status.Response.Content, want)
	}
	// An edit after the end starts nothing either.
	f.update(key(q), change)
	f.queueEmpty()
	f.outcomes(q, "done")
	if run := f.runs(q)[0]; run.TargetName != "default" || len(g.began) > 0 {
		t.Errorf("unexpected run %+v, and %d more", run, len(g.began))
	}
}
