package store

import (
	"context"
	"fmt"
	"sync"

	"mckinsey.com/ark/gen/db"
)

// Limits of what waits for one subscriber in memory. Who falls behind farther
// reads its own history from the table, at its own pace, and rejoins.
const (
	maxQueuedEvents = 1024
	maxQueuedBytes  = 1 << 20
)

// Subscribe says what events are wanted.
type Subscribe struct {
	Resource string
	// Key of one object; with Recursive: the prefix of all keys, "" or ending in a slash.
	Key       string
	Recursive bool
	// After is the revision after which events are wanted.
	After int64
	// Progress has Next report, now and then, how far all events were seen.
	Progress bool
}

// Item is what a subscription gives: an event, or, where Event is nil, the word
// that all events up to RV were given.
type Item struct {
	Event *Event
	RV    int64
}

// Subscription is an ordered stream of the events of a resource: each once, none
// left out. It is for one consumer.
type Subscription struct {
	reader        *reader
	scope         scope
	from          int64
	wantsProgress bool
	signal        chan struct{}

	// Used by the consumer alone.
	page pageSize

	mu       sync.Mutex
	queue    []*Event
	bytes    int
	lagging  bool  // queue ends where resume is, and then there is a gap
	resume   int64 // with lagging: everything up to it is in the queue or was given
	reached  int64 // progress that can be reported once the queue is empty
	reported int64
	err      error
}

// Subscribe starts a subscription. It must be closed.
func (s *Store) Subscribe(o Subscribe) *Subscription {
	u := &Subscription{
		reader: s.reader, scope: scope{o.Resource, o.Key, o.Recursive}, from: o.After,
		wantsProgress: o.Progress, signal: make(chan struct{}, 1), page: firstPage,
		lagging: true, resume: o.After, reported: o.After,
	}
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.subs[o.Resource]
	if a == nil {
		a = newAudience()
		r.subs[o.Resource] = a
	}
	a.add(u)
	if r.closed {
		u.err = ErrClosed
	}
	return u
}

// Close ends the subscription.
func (u *Subscription) Close() {
	r := u.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.subs[u.scope.resource]; a != nil {
		a.remove(u)
		if a.empty() {
			delete(r.subs, u.scope.resource)
		}
	}
}

// Next waits for the next items, in order. After an error there are no more:
// ErrExpired, ErrClosed, that of ctx, or an error of the database, after which
// Next may be called again.
func (u *Subscription) Next(ctx context.Context) ([]Item, error) {
	for {
		items, lagging, err := u.take()
		if len(items) > 0 || err != nil {
			return items, err
		}
		if lagging {
			items, err := u.catchUp(ctx)
			if len(items) > 0 || err != nil {
				return items, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-u.signal:
		}
	}
}

// Position returns a revision up to which everything was given to the consumer,
// or 0 while something waits for it.
func (u *Subscription) Position() int64 {
	u.reader.mu.Lock()
	defer u.reader.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case len(u.queue) > 0 || u.err != nil:
		return 0
	case u.lagging:
		return u.resume
	}
	return max(u.reader.position, u.from)
}

func (u *Subscription) take() (items []Item, lagging bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.queue {
		items = append(items, Item{Event: e, RV: e.RV})
	}
	u.queue, u.bytes = nil, 0
	switch {
	case len(items) > 0:
		// A word on progress that waited is old news now.
		u.reported = max(u.reported, items[len(items)-1].RV)
	case u.err != nil:
		return nil, false, u.err
	case u.wantsProgress && !u.lagging && u.reached > u.reported:
		u.reported = u.reached
		items = []Item{{RV: u.reached}}
	}
	return items, u.lagging, nil
}

func (u *Subscription) push(e *Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lagging || u.err != nil || e.RV <= u.from {
		return
	}
	if len(u.queue) >= maxQueuedEvents || len(u.queue) > 0 && u.bytes+e.size() > maxQueuedBytes {
		u.lagging, u.resume = true, e.RV-1
		return
	}
	u.queue = append(u.queue, e)
	u.bytes += e.size()
	u.wake()
}

func (u *Subscription) progress(position int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lagging || position <= u.reached {
		return
	}
	u.reached = position
	u.wake()
}

func (u *Subscription) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
	}
	u.wake()
}

func (u *Subscription) wake() {
	select {
	case u.signal <- struct{}{}:
	default:
	}
}

// catchUp closes the gap between resume and the reader's position: from memory
// if that reaches back far enough, else with a page from the table.
func (u *Subscription) catchUp(ctx context.Context) ([]Item, error) {
	select {
	case <-u.reader.ready:
	case <-u.signal: // failed, or closed
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	upTo, joined, err := u.rejoin()
	if joined || err != nil {
		return nil, err
	}
	rows, err := u.history(ctx, upTo)
	if err != nil {
		u.page = max(u.page/4, smallestPage) // in case it was too much
		return nil, fmt.Errorf("read events of %s after %d: %w", u.scope.resource, u.resume, err)
	}
	head, events := split(rows)
	if head.PageFloor > u.resume {
		return nil, ErrExpired
	}
	return u.advance(events, upTo), nil
}

// history reads a page of the gap from the table.
func (u *Subscription) history(ctx context.Context, upTo int64) ([]db.ReadEventsRow, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s := u.reader.store
	if !u.scope.recursive {
		rows, err := s.q.ReadKeyEvents(ctx, s.pool, db.ReadKeyEventsParams{
			Resource: u.scope.resource, Key: u.scope.key, After: u.resume, UpTo: upTo, PageSize: int64(u.page)})
		return convert(rows, func(r db.ReadKeyEventsRow) db.ReadEventsRow { return db.ReadEventsRow(r) }), err
	}
	keys := Prefix(u.scope.resource, u.scope.key)
	rows, err := s.q.ReadResourceEvents(ctx, s.pool, db.ReadResourceEventsParams{
		Resource: keys.Resource, KeyFrom: keys.From, KeyBefore: keys.Before,
		After: u.resume, UpTo: upTo, PageSize: int64(u.page)})
	return convert(rows, func(r db.ReadResourceEventsRow) db.ReadEventsRow { return db.ReadEventsRow(r) }), err
}

// rejoin takes the gap from memory, if it is there, and ends the lag.
func (u *Subscription) rejoin() (upTo int64, joined bool, err error) {
	r := u.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.err != nil:
		return 0, false, u.err
	case r.compacted.Load() > u.resume:
		return 0, false, ErrExpired
	case r.ring.floor > u.resume:
		return r.position, false, nil
	}
	for _, e := range r.ring.after(u.resume) {
		if e.Resource == u.scope.resource && u.scope.matches(e) {
			u.queue = append(u.queue, e)
			u.bytes += e.size()
		}
	}
	u.lagging = false
	u.reached = max(u.reached, r.toldPosition)
	return r.position, true, nil
}

// advance moves resume over a page of the table and returns what of it is wanted.
func (u *Subscription) advance(events []*Event, upTo int64) []Item {
	u.mu.Lock()
	defer u.mu.Unlock()
	var items []Item
	for _, e := range events {
		if u.scope.matches(e) {
			items = append(items, Item{Event: e, RV: e.RV})
		}
	}
	if len(events) < int(u.page) {
		u.resume = upTo
	} else {
		u.resume = events[len(events)-1].RV
	}
	u.reported = max(u.reported, u.resume)
	u.page = u.page.next(events)
	return items
}
