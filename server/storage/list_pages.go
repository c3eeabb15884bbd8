package storage

import (
	"mckinsey.com/ark/internal/store"
)

// Sizes of the pages in which a list is read from the database.
const (
	unknownRows   = 500     // before anything is known of the size of objects
	smallestRows  = 16      // however large they are
	largestRows   = 10000   // however small
	pageBytes     = 8 << 20 // what a page should take
	learnFraction = 4       // how fast the size is learned anew
)

// affordableRows is how many rows of the present size a page may have.
func (s *Storage) affordableRows() int {
	size := s.rowBytes.Load()
	if size == 0 {
		return unknownRows
	}
	return int(max(smallestRows, min(largestRows, pageBytes/size)))
}

// learnSize follows the size of what is read.
func (s *Storage) learnSize(objects []store.Object) {
	if len(objects) == 0 {
		return
	}
	sum := int64(0)
	for i := range objects {
		sum += int64(len(objects[i].Body))
	}
	seen := max(1, sum/int64(len(objects)))
	known := s.rowBytes.Load()
	if known > 0 {
		seen = known + (seen-known)/learnFraction
	}
	s.rowBytes.Store(max(1, seen)) // a lost race loses one observation
}

// firstRows is the size of the first page.
func (l *listing) firstRows() int {
	if !l.opts.Recursive {
		return 1
	}
	affordable := l.affordableRows()
	if l.limited() && l.opts.Predicate.Limit < int64(affordable) {
		return int(l.opts.Predicate.Limit)
	}
	return affordable
}

// nextRows is the size of the next page. An unfiltered list needs just what is
// missing; a filtered one did not get enough, so it takes twice as much.
func (l *listing) nextRows(rows int) int {
	affordable := l.affordableRows()
	if !l.limited() {
		return affordable
	}
	missing := l.opts.Predicate.Limit - int64(l.items.Len())
	if l.opts.Predicate.Empty() {
		return int(max(1, min(missing, int64(affordable)))) // one more, to see whether there is one
	}
	return min(2*rows, affordable)
}
