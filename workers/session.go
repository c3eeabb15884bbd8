package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
)

const (
	// cutOff is how long an execution that was cut off may take to notice.
	cutOff = 5 * time.Second
	// lastWord is how long a final write may go on after the session has ended.
	lastWord = 4 * time.Second
)

// errReleased is the cause that cuts off executions when the worker stops. To
// the Runner it is the same as a lost lease: its outcome is not to be written.
var errReleased = fmt.Errorf("the worker stops and gives its queries back: %w", execution.ErrLeaseLost)

// session is the time from the registration of a worker until its leases are
// lost or it stops. All its leases live and die together.
type session struct {
	*Workers
	id uuid.UUID
	// aliveUntil is when the leases expire by the local clock, counted from
	// before the heartbeat was sent; only the heartbeat goroutine touches it.
	aliveUntil time.Time
	held       *held
	// life ends when the leases are lost, or when all is done. Executions hang
	// on it; it does not end with the context of Run.
	life context.Context
	end  context.CancelCauseFunc
}

func newSession(ctx context.Context, w *Workers) *session {
	s := &session{Workers: w, id: uuid.New(), aliveUntil: w.Clock.Now().Add(w.LeaseDuration), held: newHeld()}
	s.life, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return s
}

// serve leases and executes until ctx ends or the leases are lost.
func (s *session) serve(ctx context.Context) {
	log := klog.FromContext(ctx)
	log.Info("Worker is registered", "id", s.id, "concurrency", s.Concurrency)
	var loops sync.WaitGroup
	defer loops.Wait()
	defer s.end(nil)
	loops.Go(func() { s.beatUntilEnd(s.life) })

	leasing, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.life, stop)()
	s.leaseUntilEnd(leasing)

	if s.life.Err() == nil {
		s.drain()
	}
	if s.life.Err() == nil {
		s.giveBack()
		return
	}
	log.Info("The worker lost its leases; others take its queries up", "id", s.id, "cause", context.Cause(s.life))
	if !s.held.empty(nil, s.Clock.After(cutOff)) {
		log.Error(nil, "Executions go on although they were cut off", "id", s.id)
	}
}

// drain lets executions end by themselves for the grace period, then cuts off
// those that have not.
func (s *session) drain() {
	if s.GracePeriod > 0 && s.held.empty(s.life.Done(), s.Clock.After(s.GracePeriod)) {
		return
	}
	s.held.cutAll(errReleased)
	if !s.held.empty(s.life.Done(), s.Clock.After(cutOff)) {
		klog.FromContext(s.life).Error(nil, "Executions go on although they were cut off; their leases are given back")
	}
}

// giveBack returns what is unfinished and ends the registration, in one
// transaction. If it fails, the leases expire by themselves.
func (s *session) giveBack() {
	ctx, cancel := context.WithTimeout(s.life, cutOff)
	defer cancel()
	var released []db.ReturnExpiredLeasesRow
	err := pg.InTx(ctx, s.Pool, func(tx pgx.Tx) error {
		rows, err := s.db.ReleaseOtherLeases(ctx, tx, db.ReleaseOtherLeasesParams{Now: s.Clock.Now(), Worker: s.id})
		if err != nil {
			return fmt.Errorf("release leases: %w", err)
		}
		for _, row := range rows {
			released = append(released, db.ReturnExpiredLeasesRow(row))
		}
		if len(rows) > 0 {
			if err := s.db.NotifyQueue(ctx, tx); err != nil {
				return fmt.Errorf("notify other workers: %w", err)
			}
		}
		return s.db.DeleteWorker(ctx, tx, s.id)
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "The worker could not give its leases back; they expire", "after", s.LeaseDuration)
		return
	}
	// Those that were cut off and noticed said so themselves.
	s.requeued(ctx, released)
	klog.FromContext(ctx).Info("Worker has stopped", "id", s.id)
}

// lose ends the session without its leases.
func (s *session) lose(cause error) {
	s.end(fmt.Errorf("%w: %w", execution.ErrLeaseLost, cause))
}

// lastWords returns a context for a final write. It outlives the session a little, so
// that the answer to a write under way is heard: that one may have been stored.
// Whether the lease holds is for the write to find out.
func (s *session) lastWords(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(s.life, func() {
		select {
		case <-ctx.Done():
		case <-s.Clock.After(lastWord):
			cancel(context.Cause(s.life))
		}
	})
	return ctx, func() { stop(); cancel(nil) }
}

// isLost tells whether err says that a lease is no longer held.
func isLost(err error) bool { return errors.Is(err, execution.ErrLeaseLost) }

// newBackoff is for what fails because something else is away.
func (w *Workers) newBackoff() *wait.Backoff {
	return &wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 100, Cap: 2 * time.Second}
}
