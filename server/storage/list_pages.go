package storage

import (
	"mckinsey.com/ark/internal/store"
)

// Numbers of rows in the pages in which a list is read from the database, which
// bounds the bytes of a page by itself.
const (
	smallestRows = 16    // however large the objects are
	largestRows  = 10000 // however small
	pageBytes    = 8 << 20
)

// pageRows is how many rows a page of one list should ask for. It follows what this
// list has seen: another one may be of quite other objects.
type pageRows struct{ size int64 }

// affordable is how many rows take about what a page may take. As long as nothing
// was seen, the database ends the page.
func (p *pageRows) affordable() int {
	if p.size == 0 {
		return largestRows
	}
	return int(max(smallestRows, min(largestRows, pageBytes/p.size)))
}

// learn takes note of the size of what was read last.
func (p *pageRows) learn(objects []store.Object) {
	if len(objects) == 0 {
		return
	}
	sum := int64(0)
	for i := range objects {
		sum += int64(len(objects[i].Body))
	}
	p.size = max(1, sum/int64(len(objects)))
}

// firstRows is the size of the first page.
func (l *listing) firstRows() int {
	if !l.opts.Recursive {
		return 1
	}
	affordable := l.rows.affordable()
	if l.limited() && l.opts.Predicate.Limit < int64(affordable) {
		return int(l.opts.Predicate.Limit)
	}
	return affordable
}

// nextRows is the size of the next page. An unfiltered list needs just what is
// missing; a filtered one did not get enough, so it takes twice as much.
func (l *listing) nextRows(rows int) int {
	affordable := l.rows.affordable()
	if !l.limited() {
		return affordable
	}
	missing := l.opts.Predicate.Limit - int64(l.items.Len())
	if l.opts.Predicate.Empty() {
		return int(max(1, min(missing, int64(affordable)))) // one more, to see whether there is one
	}
	return min(2*rows, affordable)
}
