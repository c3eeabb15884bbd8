package store

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pg"
)

// compactInterval is the pause between two compactions. It is longer than any
// statement may take, so that no read is under way that began before the floor
// was raised when the events below it are deleted.
const compactInterval = pg.DefaultStatementTimeout + 15*time.Second

// deleteBatch is how many events one statement deletes.
const deleteBatch = 2000

// compactLoop raises the floor and, one round later, deletes what is below it.
// Any number of processes may do this at once.
func (s *Store) compactLoop(ctx context.Context) {
	log := klog.FromContext(ctx)
	var floor int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(wait.Jitter(compactInterval, 0.2)):
		}
		if err := s.deleteEvents(ctx, floor); err != nil {
			log.Error(err, "Cannot delete compacted events, trying again later")
			continue
		}
		raised, err := s.raiseFloor(ctx)
		if err != nil {
			log.Error(err, "Cannot compact, trying again later")
			continue
		}
		floor = raised
	}
}

// Compact makes the states before a revision unreadable. It returns when this
// process's watches and lists know. Later revisions than the current one are
// left to later.
func (s *Store) Compact(ctx context.Context, rv int64) error {
	if _, err := s.q.RaiseCompacted(ctx, s.pool, rv); err != nil {
		return fmt.Errorf("raise compaction floor: %w", err)
	}
	row, err := s.q.GetRevision(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("get revision: %w", err)
	}
	s.reader.learnFloor(row.Compacted)
	return nil
}

func (r *reader) learnFloor(floor int64) {
	for {
		known := r.compacted.Load()
		if floor <= known || r.compacted.CompareAndSwap(known, floor) {
			return
		}
	}
}

// raiseFloor moves the floor to where the retention window begins, and returns it.
func (s *Store) raiseFloor(ctx context.Context) (int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	row, err := s.q.GetRevision(ctx, s.pool)
	if err != nil {
		return 0, fmt.Errorf("get revision: %w", err)
	}
	oldest, err := s.q.GetRetainedRevision(ctx, s.pool, s.clock.Now().Add(-s.options.Retention))
	if err != nil {
		return 0, fmt.Errorf("get oldest event to keep: %w", err)
	}
	floor := row.Current // nothing is young enough
	if oldest > 0 {
		floor = min(floor, oldest-1)
	}
	if floor <= row.Compacted {
		return row.Compacted, nil
	}
	return floor, s.Compact(ctx, floor)
}

func (s *Store) deleteEvents(ctx context.Context, floor int64) error {
	for floor > 0 && ctx.Err() == nil {
		n, err := s.deleteEventBatch(ctx, floor)
		if err != nil {
			return err
		}
		if n < deleteBatch {
			return nil
		}
	}
	return ctx.Err()
}

func (s *Store) deleteEventBatch(ctx context.Context, floor int64) (int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	n, err := s.q.DeleteEvents(ctx, s.pool, floor, deleteBatch)
	if err != nil {
		return 0, fmt.Errorf("delete events up to %d: %w", floor, err)
	}
	return n, nil
}
