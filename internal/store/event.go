package store

import (
	"strings"
	"sync"
)

// Event is one change of one object, with the images before and after. Events
// are shared between subscriptions: nobody may modify one.
type Event struct {
	// RV is the revision of the change.
	RV            int64
	Resource, Key string
	// Body is the image after; nil: the object was deleted.
	Body []byte
	// PrevBody is the image before; nil: the object was created.
	PrevBody []byte
	// PrevRV is the revision of the image before; 0: the object was created.
	PrevRV int64

	mu     sync.Mutex
	alone  bool // nothing is shared any more
	owner  any
	shared any
}

// Shared returns what make made of the event for the first owner that asked: the
// work is done once for all subscriptions of that owner. Another owner gets a
// value of its own, and so does who comes late.
func (e *Event) Shared(owner any, make func() any) any {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owner == nil && !e.alone {
		e.owner = owner
		e.shared = make()
	}
	if e.owner != owner {
		return make()
	}
	return e.shared
}

// unshare lets go of what was made of the event.
func (e *Event) unshare() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alone, e.owner, e.shared = true, nil, nil
}

func (e *Event) size() int { return len(e.Body) + len(e.PrevBody) + len(e.Key) }

// scope is what a subscription wants of a resource: one key, or all below a prefix.
type scope struct {
	resource, key string
	recursive     bool
}

func (s scope) matches(e *Event) bool {
	if s.recursive {
		return strings.HasPrefix(e.Key, s.key)
	}
	return e.Key == s.key
}

// namespace returns the first segment of a key with its slash, if it has one.
func namespace(key string) (string, bool) {
	i := strings.IndexByte(key, '/')
	return key[:i+1], i >= 0
}
