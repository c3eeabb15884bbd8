package query_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/controllers/query"
	"mckinsey.com/ark/internal/due"
)

// scripted gives out one batch, after as many errors as it is told.
type scripted struct {
	failures int
	batch    []due.Query
	// asked keeps one signal: Next may be called before the test waits for it.
	asked chan struct{}
}

func (s *scripted) Claim(context.Context, time.Time, int) ([]due.Query, error) {
	if s.failures > 0 {
		s.failures--
		return nil, errors.New("the database is away")
	}
	batch := s.batch
	s.batch = nil
	return batch, nil
}

func (s *scripted) Next(context.Context) (time.Time, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), nil
}

func TestExpiryDeletesTheVeryObject(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	object := func(name, uid string) *arkv1alpha1.Query {
		return &arkv1alpha1.Query{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID(uid)}}
	}
	// The API server refuses another uid than the precondition's with Conflict.
	uids := map[string]types.UID{"old": "1", "again": "new"}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(object("old", "1"), object("again", "new"), object("young", "3")).
		WithInterceptorFuncs(interceptor.Funcs{
			Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
				o := (&client.DeleteOptions{}).ApplyOptions(opts)
				if o.Preconditions == nil || o.Preconditions.UID == nil {
					t.Errorf("%s is deleted without a precondition", obj.GetName())
				} else if uid, ok := uids[obj.GetName()]; ok && uid != *o.Preconditions.UID {
					return apierrors.NewConflict(arkv1alpha1.Resource("queries"), obj.GetName(), errors.New("another uid"))
				}
				return c.Delete(ctx, obj)
			},
		}).Build()
	ref := func(name, uid string) due.Query {
		return due.Query{NamespacedName: types.NamespacedName{Namespace: "team", Name: name}, UID: types.UID(uid)}
	}
	script := &scripted{failures: 2, asked: make(chan struct{}, 1), batch: []due.Query{ref("old", "1"), ref("again", "2"), ref("missing", "4")}}
	clock := testingclock.NewFakeClock(time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	expiry := &query.Expiry{Client: c, Due: script, Clock: clock}
	go func() { ended <- expiry.Start(ctx) }()
	for range 2 { // it sleeps after each failure
		if err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) { return clock.HasWaiters(), nil }); err != nil {
			t.Fatalf("it does not wait after a failure: %v", err)
		}
		clock.Step(time.Minute)
	}
	<-script.asked // nothing more is due
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	var left arkv1alpha1.QueryList
	if err := c.List(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 2 || left.Items[0].Name != "again" || left.Items[1].Name != "young" {
		t.Errorf("left are %v", left.Items)
	}
}

// Deletions go on side by side, and one that fails does not keep the others.
func TestExpiryDeletesSideBySide(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	const sideBySide = 16
	var batch []due.Query
	for i := range 2 * sideBySide {
		batch = append(batch, due.Query{NamespacedName: types.NamespacedName{Namespace: "team", Name: fmt.Sprintf("q%02d", i)}, UID: "1"})
	}
	var running, tooMany, deleted atomic.Int32
	var once sync.Once
	together := make(chan struct{})
	c := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(ctx context.Context, _ client.WithWatch, obj client.Object, _ ...client.DeleteOption) error {
			defer running.Add(-1)
			switch n := running.Add(1); {
			case n == sideBySide: // Before that none returns.
				once.Do(func() { close(together) })
			case n > sideBySide:
				tooMany.Add(1)
			}
			select {
			case <-together:
			case <-ctx.Done():
				return ctx.Err()
			}
			if obj.GetName() == "q00" {
				return errors.New("the API is away")
			}
			deleted.Add(1)
			return nil
		},
	}).Build()
	script := &scripted{asked: make(chan struct{}, 1), batch: batch}
	clock := testingclock.NewFakeClock(time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- (&query.Expiry{Client: c, Due: script, Clock: clock}).Start(ctx) }()
	if err := wait.PollUntilContextCancel(ctx, time.Millisecond, true, func(context.Context) (bool, error) { return clock.HasWaiters(), nil }); err != nil {
		t.Fatalf("it does not wait after a failure: %v", err)
	}
	if deleted.Load() != int32(len(batch)-1) || tooMany.Load() != 0 {
		t.Errorf("%d of %d are deleted, too many at once %d times", deleted.Load(), len(batch), tooMany.Load())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
