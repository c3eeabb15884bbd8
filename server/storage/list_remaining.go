package storage

import (
	"context"
	"strings"
	"sync"

	"mckinsey.com/ark/internal/store"
)

// countRemaining returns how many objects there are behind the last one of an
// unfiltered page, at the revision of the list.
func (l *listing) countRemaining(ctx context.Context) (int64, error) {
	before := countKey{l.key.relative, l.rv, l.continueKey}
	n, err := l.countFrom(ctx, before)
	if err != nil {
		return 0, l.interpret(ctx, err)
	}
	l.Storage.remaining.put(countKey{l.key.relative, l.rv, l.lastKey + "\x00"}, n)
	return n, nil
}

// countFrom takes the cheapest way that is exact: what the page before left; the
// counters, if nothing was written since; else a count of the rows.
func (l *listing) countFrom(ctx context.Context, before countKey) (int64, error) {
	taken := int64(l.items.Len())
	if n, ok := l.Storage.remaining.get(before); ok {
		return n - taken, nil
	}
	if l.continueKey == "" {
		n, rv, err := l.store.Count(ctx, l.resource, l.key.relative)
		if err != nil {
			return 0, err
		}
		if rv == l.rv {
			return n - taken, nil
		}
	}
	last := strings.TrimPrefix(l.lastKey, l.resourcePrefix)
	rest := store.Prefix(l.resource, l.key.relative)
	rest.From = store.Following(last)
	return l.store.CountAsOf(ctx, rest, l.rv)
}

// maxRemainingCounts bounds what is remembered of lists under way.
const maxRemainingCounts = 1024

// countKey names a place in a list: its prefix, its revision, and where it continues.
type countKey struct {
	prefix      string
	rv          int64
	continueKey string
}

// remainingCounts remembers how many objects lists under way have before them, so
// that not every page counts them again. What is forgotten is counted.
type remainingCounts struct {
	mu     sync.Mutex
	counts map[countKey]int64
	order  []countKey
}

func (r *remainingCounts) get(k countKey) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.counts[k]
	return n, ok
}

func (r *remainingCounts) put(k countKey, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[countKey]int64{}
	}
	if _, ok := r.counts[k]; ok {
		return
	}
	if len(r.order) >= maxRemainingCounts {
		delete(r.counts, r.order[0])
		r.order = r.order[1:]
	}
	r.counts[k] = n
	r.order = append(r.order, k)
}
