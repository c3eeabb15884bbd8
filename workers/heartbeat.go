package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

var (
	errForgotten = errors.New("the database has forgotten the worker")
	errSilent    = errors.New("no heartbeat reached the database while the leases were valid")
	errTakenOver = errors.New("the Query was deleted, or its lease was given to another worker")
)

// beatUntilEnd keeps the leases alive and learns which of them have ended: on
// each heartbeat, and at once when somebody says so.
func (s *session) beatUntilEnd(ctx context.Context) {
	pause := s.Clock.NewTimer(s.Heartbeat)
	defer pause.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			// A failure brings the next heartbeat forward, which looks again.
			if err = s.withinLease(ctx, s.cutEnded); err == nil {
				continue
			}
		case <-pause.C():
			err = s.withinLease(ctx, s.beat)
		}
		if err == nil {
			pause.Reset(wait.Jitter(s.Heartbeat, 0.1))
			continue
		}
		if ctx.Err() != nil {
			return
		}
		klog.FromContext(ctx).Error(err, "Heartbeat failed", "leasesExpireIn", s.remaining())
		if s.remaining() <= 0 {
			s.lose(errSilent)
			return
		}
		pause.Reset(min(s.Heartbeat/5, s.remaining()))
	}
}

func (s *session) remaining() time.Duration { return s.aliveUntil.Sub(s.Clock.Now()) }

// withinLease bounds what the heartbeat goroutine asks the database by what remains
// of the leases: a network that swallows everything must not keep it from noticing
// that they have expired.
func (s *session) withinLease(ctx context.Context, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, max(s.remaining(), time.Second))
	defer cancel()
	return ask(bounded)
}

// beat extends all leases by one small update.
func (s *session) beat(ctx context.Context) error {
	until := s.Clock.Now().Add(s.LeaseDuration)
	n, err := s.db.Heartbeat(ctx, s.Pool, until, s.id)
	if err != nil {
		return fmt.Errorf("extend leases: %w", err)
	}
	if n == 0 {
		s.lose(errForgotten)
		return errForgotten
	}
	s.aliveUntil = until
	return s.cutEnded(ctx)
}

// cutEnded cuts off executions whose Query was cancelled or deleted, or whose
// lease somebody else has.
func (s *session) cutEnded(ctx context.Context) error {
	ids, attempts := s.held.executing()
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.db.GetEndedLeases(ctx, s.Pool, db.GetEndedLeasesParams{Ids: ids, Attempts: attempts, Worker: s.id})
	if err != nil {
		return fmt.Errorf("look for ended leases: %w", err)
	}
	for _, row := range rows {
		if row.Lost {
			s.held.cut(leaseKey{row.ID, row.Attempt}, fmt.Errorf("%w: %w", execution.ErrLeaseLost, errTakenOver))
		} else {
			s.held.cut(leaseKey{row.ID, row.Attempt}, execution.ErrCanceled)
		}
	}
	return nil
}
