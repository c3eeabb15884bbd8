package storage

import (
	"context"
	"errors"

	"k8s.io/apiserver/pkg/storage"
)

// Stats returns the exact number of objects, and, if that was enabled, an
// estimate of their average size as stored.
func (s *Storage) Stats(ctx context.Context) (storage.Stats, error) {
	n, _, err := s.store.Count(ctx, s.resource, "")
	if err != nil {
		return storage.Stats{}, s.interpret(ctx, err)
	}
	stats := storage.Stats{ObjectCount: n}
	if s.estimating.Load() && n > 0 {
		stats.EstimatedAverageObjectSizeBytes, err = s.store.AverageSize(ctx, s.resource)
		if err != nil {
			return storage.Stats{}, s.interpret(ctx, err)
		}
	}
	return stats, nil
}

// EnableResourceSizeEstimation has Stats estimate sizes. The database knows the
// sizes, so the keys are not needed.
func (s *Storage) EnableResourceSizeEstimation(keys storage.KeysFunc) error {
	if keys == nil {
		return errors.New("the function that returns the keys must not be nil")
	}
	if !s.estimating.CompareAndSwap(false, true) {
		return errors.New("resource size estimation is enabled already")
	}
	return nil
}
