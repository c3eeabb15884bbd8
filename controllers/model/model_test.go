package model_test

import (
	"context"
	"errors"
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

func (f proberFunc) Probe(context.Context, *arkv1alpha1.Model) error { return f() }

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
