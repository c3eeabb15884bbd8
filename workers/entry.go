package workers

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/store"
)

// entry is a queue entry that a session holds a lease on.
type entry struct {
	db.LeaseRow
	lease store.Lease
	// slot: it counts against the concurrency, because it is to be executed.
	slot bool
	// ctx is that of its execution; cut ends it, and the cause says why.
	ctx context.Context
	cut context.CancelCauseFunc
	// settled: the execution is over, and only its end remains to be written.
	// Whether the lease holds is then for that write to find out.
	settled atomic.Bool
	// unfinished: the entry is to be given back when the session ends.
	unfinished atomic.Bool
}

// leaseKey is a lease of a session.
type leaseKey struct {
	id      int64
	attempt int32
}

func (e *entry) key() leaseKey { return leaseKey{e.ID, e.Attempt} }

// held are the entries that a session works on.
type held struct {
	mu sync.Mutex
	// By lease: a worker may get an entry back whose first execution here has
	// not ended yet.
	entries map[leaseKey]*entry
	// slots in use by executions; ends are entries that are ended without one.
	slots, ends int
	// freed is hinted at whenever an entry is let go.
	freed chan struct{}
}

func newHeld() *held {
	return &held{entries: map[leaseKey]*entry{}, freed: make(chan struct{}, 1)}
}

func (h *held) add(e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries[e.key()] = e
	if e.slot {
		h.slots++
	} else {
		h.ends++
	}
}

// letGo frees the place of an entry. One that is unfinished stays known, so
// that it is given back.
func (h *held) letGo(e *entry) {
	h.mu.Lock()
	if e.slot {
		h.slots--
	} else {
		h.ends--
	}
	if !e.unfinished.Load() {
		delete(h.entries, e.key())
	}
	h.mu.Unlock()
	hint(h.freed)
}

// forget lets go of an entry that was given back.
func (h *held) forget(e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, e.key())
}

// inUse returns how many entries are executed, and how many are being ended.
func (h *held) inUse() (slots, ends int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slots, h.ends
}

// leases returns all leases.
func (h *held) leases() (ids []int64, attempts []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.entries {
		ids = append(ids, k.id)
		attempts = append(attempts, k.attempt)
	}
	return ids, attempts
}

// executing returns the leases of executions that can still be cut off.
func (h *held) executing() (ids []int64, attempts []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, e := range h.entries {
		if !e.settled.Load() {
			ids = append(ids, k.id)
			attempts = append(attempts, k.attempt)
		}
	}
	return ids, attempts
}

// cut ends the execution of one entry, if it is still there.
func (h *held) cut(k leaseKey, cause error) {
	h.mu.Lock()
	e := h.entries[k]
	h.mu.Unlock()
	if e != nil {
		e.cut(cause)
	}
}

// cutAll ends all executions.
func (h *held) cutAll(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.entries {
		e.cut(cause)
	}
}

// empty waits until nothing is in use; it returns false if stop or expired
// comes first.
func (h *held) empty(stop <-chan struct{}, expired <-chan time.Time) bool {
	for {
		if slots, ends := h.inUse(); slots+ends == 0 {
			return true
		}
		select {
		case <-h.freed:
		case <-stop:
			return false
		case <-expired:
			return false
		}
	}
}
