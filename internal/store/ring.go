package store

import "sort"

// Limits of the events that are kept in memory for watches that start a little
// in the past, or fell a little behind.
const (
	maxRingEvents = 4096
	maxRingBytes  = 16 << 20
	// Limits of the newest of them, which subscriptions have just been given: they
	// keep what was made of them. It takes several times the bytes of an event.
	maxSharedEvents = maxQueuedEvents
	maxSharedBytes  = 4 << 20
)

// ring holds the newest events. It is used under the lock of the reader.
type ring struct {
	events []*Event
	head   int // index of the oldest event
	bytes  int
	// shared is the index of the oldest event that keeps what was made of it.
	shared      int
	sharedBytes int
	// floor: all events after this revision, up to the reader's position, are here.
	floor int64
}

// reset forgets all events; those after floor will be added.
func (r *ring) reset(floor int64) { *r = ring{floor: floor} }

func (r *ring) add(e *Event) {
	r.events = append(r.events, e)
	r.bytes += e.size()
	r.sharedBytes += e.size()
	for len(r.events)-r.shared > maxSharedEvents || r.sharedBytes > maxSharedBytes && len(r.events)-r.shared > 1 {
		r.unshare()
	}
	for len(r.events)-r.head > maxRingEvents || r.bytes > maxRingBytes {
		if r.shared == r.head {
			r.unshare()
		}
		oldest := r.events[r.head]
		r.bytes -= oldest.size()
		r.floor = oldest.RV
		r.events[r.head] = nil
		r.head++
	}
	if r.head > maxRingEvents {
		r.events = append([]*Event(nil), r.events[r.head:]...)
		r.shared -= r.head
		r.head = 0
	}
}

// unshare lets the oldest event that still keeps what was made of it let go of
// that. A subscription that has fallen behind it makes its own.
func (r *ring) unshare() {
	oldest := r.events[r.shared]
	oldest.unshare()
	r.sharedBytes -= oldest.size()
	r.shared++
}

// after returns the events after a revision, which must not be below floor.
func (r *ring) after(rv int64) []*Event {
	events := r.events[r.head:]
	first := sort.Search(len(events), func(i int) bool { return events[i].RV > rv })
	return events[first:]
}
