package workers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/store"
)

const (
	// maxLease bounds how many entries one statement leases.
	maxLease = 256
	// maxEnds bounds how many entries are ended at once without being executed.
	maxEnds = 256
)

// leaser takes entries from the queue, one statement at a time.
type leaser struct {
	*session
	// backlog: there may be entries that wait for a slot; overdue: some whose
	// wait is over.
	backlog, overdue bool
	// unsure: an answer was lost, and with it perhaps leases.
	unsure bool
}

// leaseUntilEnd takes entries and has them served until ctx ends. It looks when
// there is a hint, when a place is free again while others wait, and now and then.
func (s *session) leaseUntilEnd(ctx context.Context) {
	l := &leaser{session: s, backlog: true, overdue: true}
	failing := s.newBackoff()
	poll := s.Clock.NewTimer(s.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		again, err := l.round(ctx)
		if err != nil {
			l.fail(ctx, err, failing.Step())
			continue
		}
		failing = s.newBackoff()
		if again {
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.work:
			l.backlog = true
		case <-s.due:
			l.overdue = true
		case <-s.held.freed:
		case <-poll.C():
			poll.Reset(wait.Jitter(s.Poll, 0.2))
			l.backlog, l.overdue = true, true
		}
	}
}

// fail waits before the next attempt. Whether the failed statement took entries
// is not known.
func (l *leaser) fail(ctx context.Context, err error, pause time.Duration) {
	l.unsure = true
	if ctx.Err() != nil {
		return
	}
	klog.FromContext(ctx).Error(err, "Taking entries from the queue will be tried again", "after", pause)
	_ = l.pause(ctx, pause) // the end of ctx is seen by the caller
}

// round takes what there is place for: first entries whose wait is over, which
// need no slot, then the next ones to execute. again: there may be more,
// and place for it.
func (l *leaser) round(ctx context.Context) (again bool, err error) {
	if l.unsure {
		if err := l.reconcile(ctx); err != nil {
			return false, err
		}
		l.backlog, l.overdue = true, true
	}
	slots, ends := l.held.inUse()
	free, places := min(maxLease, l.Concurrency-slots), min(maxEnds, maxEnds-ends)
	if l.overdue && places > 0 {
		if err := l.leaseDue(ctx, places); err != nil {
			return false, err
		}
	}
	if l.backlog && free > 0 {
		if err := l.lease(ctx, free); err != nil {
			return false, err
		}
	}
	return l.backlog && free == maxLease, nil
}

// reconcile gives back leases of this worker that it knows nothing of: the
// statement that took them was committed, but its answer was lost.
func (l *leaser) reconcile(ctx context.Context) error {
	ids, attempts := l.held.leases()
	rows, err := l.db.ReleaseOtherLeases(ctx, l.Pool, db.ReleaseOtherLeasesParams{
		Now: l.Clock.Now(), Worker: l.id, Ids: ids, Attempts: attempts,
	})
	if err != nil {
		return fmt.Errorf("give back unknown leases: %w", err)
	}
	if len(rows) > 0 {
		klog.FromContext(ctx).Info("Gave back leases whose answer was lost", "leases", len(rows))
	}
	l.unsure = false
	return nil
}

func (l *leaser) lease(ctx context.Context, free int) error {
	rows, err := l.db.Lease(ctx, l.Pool, db.LeaseParams{Worker: l.id, Now: l.Clock.Now(), BatchSize: int64(free)})
	if err != nil {
		return fmt.Errorf("lease queries: %w", err)
	}
	l.backlog = len(rows) == free
	for _, row := range rows {
		l.start(row, true)
	}
	return nil
}

func (l *leaser) leaseDue(ctx context.Context, places int) error {
	rows, err := l.db.LeaseDue(ctx, l.Pool, db.LeaseDueParams{Worker: l.id, Now: l.Clock.Now(), BatchSize: int64(places)})
	if err != nil {
		return fmt.Errorf("lease due queries: %w", err)
	}
	l.overdue = len(rows) == places
	for _, row := range rows {
		l.start(db.LeaseRow(row), false)
	}
	return nil
}

// start serves an entry in a goroutine of its own.
func (s *session) start(row db.LeaseRow, slot bool) {
	e := &entry{LeaseRow: row, slot: slot, lease: store.Lease{ID: row.ID, Worker: s.id, Attempt: row.Attempt}}
	e.ctx, e.cut = context.WithCancelCause(s.life)
	s.held.add(e)
	go s.serveEntry(e)
}

func (s *session) serveEntry(e *entry) {
	defer e.cut(nil)
	namespace, name, _ := strings.Cut(e.Key, "/")
	log := klog.FromContext(s.life).WithValues("query", klog.KRef(namespace, name), "attempt", e.Attempt)
	err := s.process(klog.NewContext(s.life, log), e)
	if err != nil {
		log.Error(err, "The Query can neither be executed nor ended now; it will be taken up again", "after", s.Heartbeat)
		e.unfinished.Store(true)
	}
	s.held.letGo(e)
	if err != nil {
		s.giveBackLater(e)
	}
}

// giveBackLater returns an entry to the queue, after a pause, so that whatever
// keeps failing does not do so all the time. The attempt counts.
func (s *session) giveBackLater(e *entry) {
	if s.pause(s.life, s.Heartbeat) != nil {
		return // the leases are over, or given back all together
	}
	err := s.db.ReturnLease(s.life, s.Pool, db.ReturnLeaseParams{
		Now: s.Clock.Now(), ID: e.ID, Worker: s.id, Attempt: e.Attempt,
	})
	if err != nil && s.life.Err() == nil {
		klog.FromContext(s.life).Error(err, "An entry could not be given back; trying again", "key", e.Key)
		s.giveBackLater(e)
		return
	}
	s.held.forget(e)
	hint(s.work)
	s.requeued(s.life, []db.ReturnExpiredLeasesRow{{ID: e.ID, Key: e.Key, UID: e.UID, Attempt: e.Attempt}})
}
