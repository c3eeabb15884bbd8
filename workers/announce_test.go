package workers

import (
	"fmt"
	"testing"
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
)

// The ends that no execution tells of are announced, once they are stored.
func TestEndWithoutExecutionIsAnnounced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g, told := newGate(), make(chan string, 10)
	f.start(g, func(o *Options) {
		o.Concurrency = 1
		o.Announce = func(q *arkv1alpha1.Query, o execution.Outcome) {
			if phase := f.get(key(q)).Status.Phase; phase != o.Phase {
				t.Errorf("%s is announced as %s, but %s is stored", q.Name, o.Phase, phase)
			}
			told <- fmt.Sprintf("%s %s", q.Name, o.Reason)
		}
	})
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told is %q, want %q", got, want)
			}
		case <-time.After(deadline):
			t.Fatalf("nothing is told, want %q", want)
		}
	}
	f.create(newQuery("team", "busy"))
	f.next(g.began)
	f.create(newQuery("team", "late", func(q *arkv1alpha1.Query) { q.Spec.Timeout = "10ms" }))
	expect("late " + arkv1alpha1.ReasonTimedOutInQueue)
	waiting := f.create(newQuery("team", "canceled"))
	f.update(key(waiting), func(q *arkv1alpha1.Query) { q.Spec.Cancel = true })
	expect("canceled " + arkv1alpha1.ReasonQueryCanceled)
}
