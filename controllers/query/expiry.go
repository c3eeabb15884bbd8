// Package query looks after finished Queries: it deletes those whose time to
// live, counted from their completion, has passed.
package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/due"
)

const (
	// batch is how many queries are claimed at once.
	batch = 200
	// concurrency is how many of them are deleted at once.
	concurrency = 16
	// longestSleep bounds the wait for the next due date: a query that is
	// completed meanwhile may be due earlier.
	longestSleep = 10 * time.Second
	// pause follows an error.
	pause = 5 * time.Second
)

// Due finds queries whose time to live has passed: by SQL over all of them, or
// from an informer.
type Due interface {
	// Claim returns up to limit of them. Until a minute has passed no other
	// process is given the same ones.
	Claim(ctx context.Context, now time.Time, limit int) ([]due.Query, error)
	// Next says when the next one is due; far in the future if none is.
	Next(ctx context.Context) (time.Time, error)
}

// Expiry deletes queries that are due. It is a runnable of the manager.
type Expiry struct {
	Client client.Client
	Due    Due
	Clock  clock.WithTicker
}

// NeedLeaderElection says that one replica is enough.
func (e *Expiry) NeedLeaderElection() bool { return true }

// Start deletes what is due until the context ends.
func (e *Expiry) Start(ctx context.Context) error {
	logger := klog.FromContext(ctx).WithName("query-expiry")
	for ctx.Err() == nil {
		sleep, err := e.round(ctx)
		if err != nil && ctx.Err() == nil {
			logger.Error(err, "Deleting expired queries will be tried again")
			sleep = pause
		}
		if sleep <= 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-e.Clock.After(wait.Jitter(sleep, 0.1)):
		}
	}
	return nil
}

// round deletes one batch and says how long there is nothing more to do. What
// fails does not keep the others: claimed, they would wait for a minute.
func (e *Expiry) round(ctx context.Context) (time.Duration, error) {
	refs, err := e.Due.Claim(ctx, e.Clock.Now(), batch)
	if err != nil {
		return 0, fmt.Errorf("claim expired queries: %w", err)
	}
	if len(refs) > 0 {
		return 0, e.removeAll(ctx, refs)
	}
	next, err := e.Due.Next(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask when the next query expires: %w", err)
	}
	return min(max(next.Sub(e.Clock.Now()), 100*time.Millisecond), longestSleep), nil
}

// removeAll deletes queries, several at once, and returns what went wrong.
func (e *Expiry) removeAll(ctx context.Context, refs []due.Query) error {
	failures := make([]error, len(refs))
	slots := make(chan struct{}, concurrency)
	var group sync.WaitGroup
	for i, ref := range refs {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			failures[i] = e.remove(ctx, ref)
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// remove deletes a Query as a user would: finalizers hold it, watches see it.
func (e *Expiry) remove(ctx context.Context, ref due.Query) error {
	q := &arkv1alpha1.Query{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	err := e.Client.Delete(ctx, q, client.Preconditions{UID: &ref.UID})
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete expired query %s: %w", ref.NamespacedName, err)
	}
	klog.FromContext(ctx).V(4).Info("Deleted an expired query", "query", ref.NamespacedName)
	return nil
}
