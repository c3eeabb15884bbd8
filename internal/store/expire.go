package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
)

const (
	// expirePage is how many objects are claimed at once.
	expirePage = 256
	// expireClaim is how long nobody else is given what was claimed.
	expireClaim = time.Minute
)

// expireLoop deletes objects whose storage ttl has passed. Any number of
// processes may do this: each claims what it deletes.
func (s *Store) expireLoop(ctx context.Context) {
	log := klog.FromContext(ctx)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(wait.Jitter(s.options.PollInterval, 0.2)):
		}
		err := s.expireAll(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			log.Error(err, "Cannot delete expired objects, trying again until it works")
		}
		failing = err != nil
	}
}

// expireAll deletes page after page while there is a full one: many objects may
// expire in the time of one round.
func (s *Store) expireAll(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.expire(ctx)
		if err != nil || n < expirePage {
			return err
		}
	}
	return ctx.Err()
}

// expire deletes a page and returns how many objects it had. A deletion that fails
// is tried again when the claim has ended.
func (s *Store) expire(ctx context.Context) (int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	now := s.clock.Now()
	rows, err := s.q.ClaimExpiredObjects(ctx, s.pool, db.ClaimExpiredObjectsParams{
		Now: now, AgainAt: now.Add(expireClaim), BatchSize: expirePage})
	if err != nil {
		return 0, fmt.Errorf("claim expired objects: %w", err)
	}
	results := make(chan error, len(rows))
	for _, row := range rows {
		w := Write{Resource: row.Resource, Key: row.Key, Expect: row.RV}
		if row.Resource == ResourceQueries {
			w.Query = &QueryChange{Effect: Effect{Remove: true}}
		}
		go func() {
			_, err := s.Write(ctx, w)
			results <- err
		}()
	}
	var failed error
	for range rows {
		var conflict *Conflict
		if err := <-results; err != nil && !errors.As(err, &conflict) {
			failed = fmt.Errorf("delete expired object: %w", err)
		}
	}
	return len(rows), failed
}
