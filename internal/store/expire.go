package store

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// expirePage is how many objects one round deletes at most.
const expirePage = 256

// expireLoop deletes objects whose storage ttl has passed. Any number of
// processes may do this: each deletion is a compare and swap.
func (s *Store) expireLoop(ctx context.Context) {
	log := klog.FromContext(ctx)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(wait.Jitter(s.options.PollInterval, 0.2)):
		}
		err := s.expire(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			log.Error(err, "Cannot delete expired objects, trying again until it works")
		}
		failing = err != nil
	}
}

func (s *Store) expire(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := s.q.ListExpiredObjects(ctx, s.pool, s.clock.Now(), expirePage)
	if err != nil {
		return fmt.Errorf("list expired objects: %w", err)
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
	return failed
}
