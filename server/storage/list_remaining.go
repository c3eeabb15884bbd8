package storage

import (
	"context"
	"sync"

	"mckinsey.com/ark/internal/store"
)

// countRemaining returns how many objects there are behind the last one of an
// unfiltered page, at the revision of the list.
func (l *listing) countRemaining(ctx context.Context) (int64, error) {
	k := countKey{l.key.relative, l.rv}
	here := store.Following(l.lastKey[len(l.resourcePrefix):])
	n, err := l.countFrom(ctx, k, here)
	if err != nil {
		return 0, l.interpret(ctx, err)
	}
	l.Storage.remaining.put(k, place{here, n})
	return n, nil
}

// countFrom takes the cheapest way that is exact: from a place whose number is
// known, what lies in between; else a count of all that is left.
func (l *listing) countFrom(ctx context.Context, k countKey, here string) (int64, error) {
	rest := store.Prefix(l.resource, l.key.relative)
	p, known := l.Storage.remaining.get(k)
	if !known {
		n, ok, err := l.store.CountBelow(ctx, l.resource, l.key.relative, l.rv)
		if err != nil {
			return 0, err
		}
		p, known = place{rest.From, n}, ok
	}
	switch {
	case known && p.from == l.first:
		return p.n - int64(l.items.Len()), nil
	case known && p.from <= here:
		rest.From, rest.Before = p.from, here
		between, err := l.store.CountAsOf(ctx, rest, l.rv)
		return p.n - between, err
	case known:
		rest.From, rest.Before = here, p.from
		between, err := l.store.CountAsOf(ctx, rest, l.rv)
		return p.n + between, err
	}
	rest.From = here
	return l.store.CountAsOf(ctx, rest, l.rv)
}

// maxRemainingCounts bounds what is remembered of lists under way.
const maxRemainingCounts = 1024

// countKey names a list: its prefix and its revision.
type countKey struct {
	prefix string
	rv     int64
}

// place is a key of a list, and how many objects there are from it on.
type place struct {
	from string
	n    int64
}

// remainingCounts remembers the place that lists under way have come to, so that
// not every page counts what is left. What is forgotten is counted.
type remainingCounts struct {
	mu     sync.Mutex
	places map[countKey]place
	order  []countKey
}

func (r *remainingCounts) get(k countKey) (place, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.places[k]
	return p, ok
}

func (r *remainingCounts) put(k countKey, p place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places == nil {
		r.places = map[countKey]place{}
	}
	if _, ok := r.places[k]; !ok {
		if len(r.order) >= maxRemainingCounts {
			delete(r.places, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, k)
	}
	r.places[k] = p
}
