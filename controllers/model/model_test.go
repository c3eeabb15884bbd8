package model_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/controllers/model"
)

type proberFunc func() error

const address = "https://models.example.com/v1"

func (f proberFunc) Probe(context.Context, *arkv1alpha1.Model) (string, error) { return address, f() }

// fixture is a controller over one Model, with the number of its writes.
type fixture struct {
	reconciler *model.Reconciler
	client     client.Client
	clock      *testingclock.FakeClock
	writes     int
}

func newFixture(t *testing.T, probe proberFunc) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	f := &fixture{clock: testingclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	m := &arkv1alpha1.Model{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "default", Generation: 3},
		Spec:       arkv1alpha1.ModelSpec{PollInterval: "20s"},
	}
	f.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(m).WithStatusSubresource(m).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				f.writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	f.reconciler = &model.Reconciler{Client: f.client, Prober: probe, Timeout: time.Second, Clock: f.clock}
	return f
}

func (f *fixture) reconcile(t *testing.T) ctrl.Result {
	t.Helper()
	result, err := f.reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "team", Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (f *fixture) condition(t *testing.T) *metav1.Condition {
	t.Helper()
	var m arkv1alpha1.Model
	if err := f.client.Get(t.Context(), types.NamespacedName{Namespace: "team", Name: "default"}, &m); err != nil {
		t.Fatal(err)
	}
	c := meta.FindStatusCondition(m.Status.Conditions, arkv1alpha1.ConditionModelAvailable)
	if m.Status.ResolvedAddress != address {
		t.Errorf("the address is %q", m.Status.ResolvedAddress)
	}
	if c == nil {
		t.Fatalf("no condition among %v", m.Status.Conditions)
	}
	return c
}

func TestProbeIsWrittenDown(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		err     error
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		{"answers", nil, metav1.ConditionTrue, arkv1alpha1.ReasonAvailable, "Model is available"},
		{"fails", errors.New("HTTP 401 Unauthorized"), metav1.ConditionFalse, arkv1alpha1.ReasonModelProbeFailed, "HTTP 401 Unauthorized"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func() error { return c.err })
			result := f.reconcile(t)
			got := f.condition(t)
			if got.Status != c.status || got.Reason != c.reason || got.Message != c.message || got.ObservedGeneration != 3 {
				t.Errorf("the condition is %+v", got)
			}
			if d := result.RequeueAfter; d < 20*time.Second || d > 22*time.Second {
				t.Errorf("the next probe is after %s, wanted are 20 s and a tenth of jitter", d)
			}
		})
	}
}

func TestUnchangedProbeWritesNothing(t *testing.T) {
	t.Parallel()
	var answer error
	f := newFixture(t, func() error { return answer })
	f.reconcile(t)
	first := f.condition(t).LastTransitionTime
	before := f.writes
	for range 30 { // ten minutes of polls
		f.clock.Step(20 * time.Second)
		f.reconcile(t)
	}
	if f.writes != before {
		t.Errorf("%d writes while nothing changed", f.writes-before)
	}
	if got := f.condition(t).LastTransitionTime; !got.Equal(&first) {
		t.Errorf("the transition moved from %s to %s", first, got)
	}
	answer = errors.New("gone")
	f.reconcile(t)
	if f.writes != before+1 || f.condition(t).Status != metav1.ConditionFalse {
		t.Errorf("after a failure: %d writes, %+v", f.writes-before, f.condition(t))
	}
}

// A failure that goes on is written once, whatever number it comes with; another
// failure is written.
func TestOneCauseIsWrittenOnce(t *testing.T) {
	t.Parallel()
	const name = `model "default" (gpt-test): `
	tests := []struct {
		name     string
		messages []string
		writes   int
	}{
		{"local ports", []string{
			name + "no answer: read tcp 10.0.0.5:41234->10.1.2.3:443: read: connection reset by peer",
			name + "no answer: read tcp 10.0.0.5:41236->10.1.2.4:443: read: connection reset by peer",
		}, 1},
		{"ids of requests", []string{
			name + "HTTP 401 Unauthorized: no access (request id req_0aGh5i)",
			name + "HTTP 401 Unauthorized: no access (request id req_77Ghxx)",
			name + "HTTP 401 Unauthorized: no access (request id 123e4567-e89b-12d3-a456-426614174000)",
		}, 1},
		{"waits", []string{
			name + "HTTP 429 Too Many Requests: slow down (asks to wait 1m40s)",
			name + "HTTP 429 Too Many Requests: slow down (asks to wait 39s)",
		}, 1},
		{"another status", []string{name + "HTTP 597: oh", name + "HTTP 598: oh"}, 2},
		{"another cause", []string{name + "no answer: connection refused", name + "no answer: no such host", name + "HTTP 500: oh"}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var answer error
			f := newFixture(t, func() error { return answer })
			f.reconcile(t)
			before := f.writes
			for _, message := range tt.messages {
				answer = errors.New(message)
				f.reconcile(t)
			}
			if n := f.writes - before; n != tt.writes {
				t.Errorf("%d writes, want %d; at last %q", n, tt.writes, f.condition(t).Message)
			}
		})
	}
}

// Another generation is written down, though the failure be the same.
func TestGenerationIsObserved(t *testing.T) {
	t.Parallel()
	port := 0
	f := newFixture(t, func() error { port++; return fmt.Errorf("port %d", port) })
	f.reconcile(t)
	var m arkv1alpha1.Model
	if err := f.client.Get(t.Context(), types.NamespacedName{Namespace: "team", Name: "default"}, &m); err != nil {
		t.Fatal(err)
	}
	m.Generation++
	if err := f.client.Update(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	f.reconcile(t)
	if got := f.condition(t); got.ObservedGeneration != m.Generation {
		t.Errorf("observed is %d, want %d", got.ObservedGeneration, m.Generation)
	}
}

func TestDeletedModelIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func() error { t.Error("it was probed"); return nil })
	if err := f.client.Delete(t.Context(), &arkv1alpha1.Model{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "default"}}); err != nil {
		t.Fatal(err)
	}
	if result := f.reconcile(t); result.RequeueAfter != 0 {
		t.Errorf("it comes back after %s", result.RequeueAfter)
	}
}
