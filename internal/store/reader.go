package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
)

// ErrExpired ends a subscription whose next events were compacted away, or
// belong to a past that the database no longer knows: begin anew with a list.
var ErrExpired = errors.New("events after this revision are no longer kept")

// reader is the one reader of events of a process. Hints, reconnections and a
// slow timer all lead to the same: read on from the position.
type reader struct {
	store *Store
	kicks chan struct{}
	ready chan struct{} // closed once there is a position
	// compacted is the compaction floor as last read.
	compacted atomic.Int64
	// suspect: the database may be another one than before (a connection was lost).
	suspect atomic.Bool
	// asked: somebody wants to be told how far the events were read.
	asked atomic.Bool

	// Used by run alone.
	own  ownSession // that it breaks means something
	page pageSize
	last *Event // the newest event that was read

	mu       sync.Mutex
	position int64 // everything up to it was handed on; 0: not yet known
	ring     ring
	subs     map[string]*audience
	closed   bool
	// When progress was last told, and how much.
	told         time.Time
	toldPosition int64
	owing        bool // there is more to tell as soon as it is time
}

func newReader(s *Store) *reader {
	return &reader{
		store: s,
		kicks: make(chan struct{}, 1),
		ready: make(chan struct{}),
		page:  firstPage,
		subs:  map[string]*audience{},
	}
}

// kick makes the reader look for events now.
func (r *reader) kick() {
	select {
	case r.kicks <- struct{}{}:
	default:
	}
}

// RequestProgress has all subscriptions that want progress told a revision that
// is at least any that GetRevision returned before.
func (s *Store) RequestProgress() {
	s.reader.asked.Store(true)
	s.reader.kick()
}

func (r *reader) run(ctx context.Context) {
	defer r.close()
	log := klog.FromContext(ctx)
	failures := 0
	interval := r.store.options.PollInterval
	for {
		err := r.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.disconnect()
			if failures++; failures == 1 {
				continue // the session may just have been ended
			}
			if failures == 2 {
				log.Error(err, "Cannot read events, trying again until it works")
			}
		default:
			if failures > 1 {
				log.Info("Reading events again")
			}
			failures = 0
		}
		pause := interval*3/4 + rand.N(interval/2)
		if r.owing {
			pause = eagerInterval
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-r.kicks:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// session returns what to read with.
func (r *reader) session(ctx context.Context) (db.DBTX, error) {
	if !r.store.spares {
		return r.store.pool, nil
	}
	return r.own.take(ctx, r.store.pool)
}

// disconnect gives up the session after an error. The next one may be with another
// server: after a failover, or with a restored database.
func (r *reader) disconnect() {
	r.suspect.Store(true)
	r.own.giveUp()
}

// catchUp reads until nothing is left to read.
func (r *reader) catchUp(ctx context.Context) error {
	if r.position == 0 {
		if err := r.restart(ctx, nil); err != nil {
			return err
		}
		close(r.ready)
	}
	if r.suspect.Swap(false) {
		if err := r.verify(ctx); err != nil {
			r.suspect.Store(true)
			return err
		}
	}
	for {
		more, err := r.read(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// restart takes the position a little before the newest revision, as far back as
// memory holds events: after a start of this process the watches of its clients
// begin there, and would each read the table. Subscriptions fail with the
// reason, if there is one, at the moment that the position moves: none may believe
// that it was given what is passed over.
func (r *reader) restart(ctx context.Context, reason error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	session, err := r.session(ctx)
	if err != nil {
		return err
	}
	row, err := r.store.q.GetReadStart(ctx, session, maxRingEvents, maxRingBytes)
	if err != nil {
		return fmt.Errorf("get revision to read from: %w", err)
	}
	r.store.handedOut(row.Current)
	r.learnFloor(row.Compacted)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = row.Start
	r.ring.reset(row.Start)
	r.last = nil
	if reason != nil {
		r.failAll(reason)
	}
	return nil
}

// read reads and hands on one page; more: there may be another.
func (r *reader) read(ctx context.Context) (more bool, err error) {
	session, err := r.session(ctx)
	if err != nil {
		return false, err
	}
	asked := r.asked.Swap(false)
	rows, err := r.readPage(ctx, session)
	if err != nil {
		if asked {
			r.asked.Store(true)
		}
		r.page = max(r.page/4, smallestPage) // in case it was too much
		return false, err
	}
	head, events := split(rows)
	switch {
	case head.RV < r.position:
		return true, r.wentBack(ctx, head.RV)
	case head.PageFloor > r.position && !contiguous(events, int(r.page), r.position, head.PageFloor):
		return true, r.overtaken(ctx, head.PageFloor)
	}
	r.learnFloor(head.PageFloor)
	more = len(events) >= int(r.page)
	r.page = r.page.next(events)
	r.handOn(head, events, more, asked)
	return more, nil
}

func (r *reader) readPage(ctx context.Context, session db.DBTX) ([]db.ReadEventsRow, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.store.q.ReadEvents(ctx, session, r.position, int64(r.page))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if len(rows) == 0 {
		return nil, errors.New("read events: there is no row in ark.revision")
	}
	return rows, nil
}

// split separates the row that carries the revision and the compaction floor of
// the snapshot from the events.
func split(rows []db.ReadEventsRow) (head db.ReadEventsRow, events []*Event) {
	events = make([]*Event, 0, len(rows))
	for _, row := range rows {
		if row.PageFloor >= 0 {
			head = row
			continue
		}
		events = append(events, &Event{RV: row.RV, Resource: row.Resource, Key: row.Key,
			Body: row.Body, PrevBody: row.PrevBody, PrevRV: row.PrevRV})
	}
	slices.SortFunc(events, func(a, b *Event) int { return int(a.RV - b.RV) })
	return head, events
}

// contiguous tells whether no event between a position and the compaction floor
// is missing from a page: revisions are dense. What is below the floor is deleted
// only later, so a reader that was just not quick enough loses nothing.
func contiguous(events []*Event, page int, position, floor int64) bool {
	for _, e := range events {
		if e.RV != position+1 {
			return false
		}
		position = e.RV
		if position >= floor {
			return true
		}
	}
	return len(events) >= page // the next page goes on
}

// handOn gives events to those who subscribed to them, in order.
func (r *reader) handOn(head db.ReadEventsRow, events []*Event, more, asked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.ring.add(e)
		if a := r.subs[e.Resource]; a != nil {
			a.push(e)
		}
		r.position, r.last = e.RV, e
	}
	if more {
		if asked {
			r.asked.Store(true)
		}
		return
	}
	r.position = head.RV
	r.store.handedOut(head.RV)
	r.tell(asked)
}

// tell lets those who want progress know the position, if it is time.
func (r *reader) tell(asked bool) {
	now, interval := time.Now(), r.store.options.ProgressInterval
	news := r.store.options.EagerProgress && r.position > r.toldPosition
	if news {
		interval = min(interval, eagerInterval)
	}
	if !asked && now.Sub(r.told) < interval {
		r.owing = news && r.anyProgressive()
		return
	}
	r.told, r.toldPosition, r.owing = now, r.position, false
	for _, a := range r.subs {
		a.progress(r.position)
	}
}

func (r *reader) anyProgressive() bool {
	for _, a := range r.subs {
		if len(a.progressive) > 0 {
			return true
		}
	}
	return false
}

// overtaken: a compaction went past the position, so events are missing.
func (r *reader) overtaken(ctx context.Context, floor int64) error {
	klog.FromContext(ctx).Info("A compaction has overtaken the reader of events, all watches must begin anew",
		"position", r.position, "compacted", floor)
	return r.restart(ctx, ErrExpired)
}

// wentBack: the database is behind what was read from it, or tells another story.
func (r *reader) wentBack(ctx context.Context, current int64) error {
	klog.FromContext(ctx).Error(errWentBack, "Moving the revision forward, all watches must begin anew",
		"position", r.position, "revision", current)
	if err := r.store.leap(ctx); err != nil {
		return fmt.Errorf("move the revision forward: %w", err)
	}
	return r.restart(ctx, ErrExpired)
}

// verify makes sure, after a connection was lost, that the database still has
// the newest event that was read from it, and is not behind what was handed out.
func (r *reader) verify(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	highest := r.store.highest.Load() // before the read, which is then not behind it
	after := r.position
	if r.last != nil {
		after = r.last.RV - 1
	}
	session, err := r.session(ctx)
	if err != nil {
		return err
	}
	rows, err := r.store.q.ReadEvents(ctx, session, after, 1)
	if err != nil {
		return fmt.Errorf("verify last event: %w", err)
	}
	head, events := split(rows)
	switch {
	case head.RV < highest:
		return r.wentBack(ctx, head.RV)
	case r.last == nil || head.PageFloor >= r.last.RV:
		return nil
	case len(events) == 0 || !same(events[0], r.last):
		return r.wentBack(ctx, head.RV)
	}
	return nil
}

func same(a, b *Event) bool {
	return a.RV == b.RV && a.Resource == b.Resource && a.Key == b.Key && a.PrevRV == b.PrevRV &&
		bytes.Equal(a.Body, b.Body)
}

// failAll is called under the lock.
func (r *reader) failAll(err error) {
	for _, a := range r.subs {
		a.fail(err)
	}
}

func (r *reader) close() {
	r.disconnect()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.failAll(ErrClosed)
}
