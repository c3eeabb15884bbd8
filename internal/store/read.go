package store

import (
	"context"
	"fmt"

	"mckinsey.com/ark/gen/db"
)

// Object is an object as it is stored.
type Object struct {
	Key  string
	RV   int64
	Body []byte
}

// Get reads an object, together with the newest revision at that moment. RV 0:
// there is none.
func (s *Store) Get(ctx context.Context, resource, key string) (o Object, current int64, err error) {
	row, err := s.q.GetObject(ctx, s.pool, resource, key)
	if err != nil {
		return Object{}, 0, fmt.Errorf("get %s %q: %w", resource, key, err)
	}
	s.handedOut(row.Current)
	return Object{Key: key, RV: row.RV, Body: row.Body}, row.Current, nil
}

// Range is a range of keys of a resource: From <= key < Before, bytewise.
type Range struct {
	Resource, From, Before string
}

// End is greater than every key.
const End = "\U0010FFFF"

// Prefix returns the range of the keys that begin with a prefix, which is empty
// or ends in a slash.
func Prefix(resource, prefix string) Range {
	if prefix == "" {
		return Range{Resource: resource, Before: End}
	}
	return Range{Resource: resource, From: prefix, Before: prefix[:len(prefix)-1] + "0"} // '0' follows '/'
}

// Exactly returns the range that holds a single key.
func Exactly(resource, key string) Range {
	return Range{Resource: resource, From: key, Before: Following(key)}
}

// Following returns the first possible key after a key: keys hold no NUL.
func Following(key string) string { return key + "\x01" }

// Page is a part of a list, in key order, and what the snapshot it comes from knew.
type Page struct {
	Objects []Object
	// Next is where to read on: not below the end of the range if there is nothing
	// more. There may be more also behind a page that is short, or empty.
	Next string
	// Current is the newest revision, Compacted the compaction floor.
	Current, Compacted int64
}

// pageBytes is what the objects of a page take together: it ends with the one that
// goes beyond.
const pageBytes = 8 << 20

// List reads up to limit objects of a range as they are now.
func (s *Store) List(ctx context.Context, r Range, limit int) (Page, error) {
	rows, err := s.q.ListLatest(ctx, s.pool, db.ListLatestParams{
		Resource: r.Resource, KeyFrom: r.From, KeyBefore: r.Before, PageSize: int64(limit), MaxBytes: pageBytes})
	if err != nil {
		return Page{}, fmt.Errorf("list %s: %w", r.Resource, err)
	}
	return s.page(rows, r, limit), nil
}

// recently is how many events may have come after a revision that is read by
// looking at just those.
const recently = 2000

// smallestWindow is how many keys are looked at for a page of the past at least,
// most of which may have changed since.
const smallestWindow = 512

// ListAsOf reads up to limit objects of a range as they were at a revision. It
// was readable if Compacted <= rv <= Current of the page; else Objects is not to
// be used.
func (s *Store) ListAsOf(ctx context.Context, r Range, rv int64, limit int) (Page, error) {
	rows, err := s.listAsOf(ctx, r, rv, limit)
	if err != nil {
		return Page{}, fmt.Errorf("list %s as of %d: %w", r.Resource, rv, err)
	}
	return s.page(rows, r, limit), nil
}

func (s *Store) listAsOf(ctx context.Context, r Range, rv int64, limit int) ([]db.ListLatestRow, error) {
	if s.highest.Load()-rv <= recently {
		rows, err := s.q.ListAsOfRecent(ctx, s.pool, db.ListAsOfRecentParams{
			Resource: r.Resource, KeyFrom: r.From, KeyBefore: r.Before, AsOf: rv, PageSize: int64(limit), MaxBytes: pageBytes})
		return convert(rows, func(r db.ListAsOfRecentRow) db.ListLatestRow { return db.ListLatestRow(r) }), err
	}
	rows, err := s.q.ListAsOf(ctx, s.pool, db.ListAsOfParams{
		Resource: r.Resource, KeyFrom: r.From, KeyBefore: r.Before, AsOf: rv, PageSize: int64(limit),
		MaxBytes: pageBytes, WindowSize: int64(max(limit, smallestWindow))})
	return convert(rows, func(r db.ListAsOfRow) db.ListLatestRow { return db.ListLatestRow(r) }), err
}

func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// page separates the row that says what the snapshot knew from the objects.
func (s *Store) page(rows []db.ListLatestRow, r Range, limit int) Page {
	p := Page{Objects: make([]Object, 0, len(rows)), Next: r.Before}
	bytes := 0
	for _, row := range rows {
		if row.PageFloor < 0 {
			bytes += len(row.Body)
			p.Objects = append(p.Objects, Object{Key: row.Key, RV: row.RV, Body: row.Body})
			continue
		}
		p.Current, p.Compacted = row.RV, row.PageFloor
		s.handedOut(row.RV)
		if row.Key != "" {
			p.Next = row.Key // where the window of keys ends
		}
	}
	if n := len(p.Objects); n >= limit || bytes >= pageBytes {
		p.Next = Following(p.Objects[n-1].Key)
	}
	return p
}

// Count returns how many objects there are below a prefix (empty, or up to and
// with the slash of a namespace), and the revision at which that is so.
func (s *Store) Count(ctx context.Context, resource, prefix string) (n, rv int64, err error) {
	parents := Prefix(resource, prefix)
	row, err := s.q.GetCount(ctx, s.pool, db.GetCountParams{
		Resource: resource, ParentFrom: parents.From, ParentBefore: parents.Before})
	if err != nil {
		return 0, 0, fmt.Errorf("count %s: %w", resource, err)
	}
	return row.N, row.RV, nil
}

// CountBelow returns how many objects there were below a prefix, as in Count, at a
// revision. known: few events came after it, so that it could be told without
// counting objects.
func (s *Store) CountBelow(ctx context.Context, resource, prefix string, rv int64) (n int64, known bool, err error) {
	if s.highest.Load()-rv > recently {
		return 0, false, nil
	}
	keys := Prefix(resource, prefix)
	n, err = s.q.GetCountAsOf(ctx, s.pool, db.GetCountAsOfParams{
		Resource: resource, KeyFrom: keys.From, KeyBefore: keys.Before, AsOf: rv})
	if err != nil {
		return 0, false, fmt.Errorf("count %s below %q as of %d: %w", resource, prefix, rv, err)
	}
	return n, true, nil
}

// CountAsOf returns how many objects of a range there were at a revision.
func (s *Store) CountAsOf(ctx context.Context, r Range, rv int64) (int64, error) {
	n, err := s.q.CountAsOf(ctx, s.pool, db.CountAsOfParams{
		Resource: r.Resource, KeyFrom: r.From, KeyBefore: r.Before, AsOf: rv})
	if err != nil {
		return 0, fmt.Errorf("count %s as of %d: %w", r.Resource, rv, err)
	}
	return n, nil
}

// sizeSample is how many objects an average size is taken over.
const sizeSample = 1000

// AverageSize returns the average size in bytes of stored objects of a resource,
// over a sample; 0: there are none.
func (s *Store) AverageSize(ctx context.Context, resource string) (int64, error) {
	size, err := s.q.GetObjectSizes(ctx, s.pool, db.GetObjectSizesParams{
		Resource: resource, KeyBefore: End, Sample: sizeSample})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", resource, err)
	}
	return size, nil
}
