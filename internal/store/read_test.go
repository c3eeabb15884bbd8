package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// putAll writes things side by side, and returns their revisions.
func putAll(t testing.TB, s *Store, writes map[string]Write) map[string]int64 {
	t.Helper()
	var mu sync.Mutex
	rvs := map[string]int64{}
	var wg sync.WaitGroup
	for key, w := range writes {
		w.Resource, w.Key = things, key
		wg.Go(func() {
			rv, err := s.Write(within(t), w)
			if err != nil {
				t.Errorf("write %s: %v", key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			rvs[key] = rv
		})
	}
	wg.Wait()
	return rvs
}

// readAsOf reads a range page by page, and returns what was there and the number of pages.
func readAsOf(t testing.TB, s *Store, r Range, rv int64, limit int) (got []string, pages int) {
	t.Helper()
	for r.From < r.Before {
		p, err := s.ListAsOf(within(t), r, rv, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Objects) > limit || p.Next <= r.From {
			t.Fatalf("a page of %d objects, from %q on, that ends at %q", len(p.Objects), r.From, p.Next)
		}
		for _, o := range p.Objects {
			got = append(got, fmt.Sprintf("%s@%d=%s", o.Key, o.RV, o.Body))
		}
		r.From = p.Next
		pages++
	}
	return got, pages
}

// TestPastAfterManyChanges: after everything was updated, deleted or newly created,
// the state of before is read in pages that each look at a bounded number of keys.
func TestPastAfterManyChanges(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	const n = 700
	first := map[string]Write{}
	for i := range n {
		first[fmt.Sprintf("ns/%05d", 2*i)] = Write{Body: []byte("old")}
	}
	rvs := putAll(t, s, first)
	var want []string
	asOf := int64(0)
	for key, rv := range rvs {
		want = append(want, fmt.Sprintf("%s@%d=old", key, rv))
		asOf = max(asOf, rv)
	}
	slices.Sort(want)

	for round := range 3 {
		changes := map[string]Write{}
		for i := range n {
			key := fmt.Sprintf("ns/%05d", 2*i)
			switch {
			case i%3 == 0 && round == 0:
				changes[key] = Write{Expect: rvs[key]}
			case i%3 != 0:
				changes[key] = Write{Expect: rvs[key], Body: []byte("new")}
			}
			if round == 2 {
				changes[fmt.Sprintf("ns/%05d", 2*i+1)] = Write{Body: []byte("created")}
				changes[fmt.Sprintf("zoo/%05d", i)] = Write{Body: []byte("created")}
			}
		}
		for key, rv := range putAll(t, s, changes) {
			rvs[key] = rv
		}
	}
	if s.highest.Load()-asOf <= recently {
		t.Fatalf("only %d events since: another statement would be tested", s.highest.Load()-asOf)
	}
	for _, limit := range []int{3, 100, 5000} {
		if got, _ := readAsOf(t, s, Prefix(things, ""), asOf, limit); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d objects, want %d", limit, len(got), len(want))
		}
	}
	// Nothing was there in zoo: a page of one looks at a window, not at all of it.
	p, err := s.ListAsOf(within(t), Prefix(things, "zoo/"), asOf, 1)
	if err != nil || len(p.Objects) > 0 || !strings.HasPrefix(p.Next, "zoo/") {
		t.Errorf("%d objects, ends at %q (%v)", len(p.Objects), p.Next, err)
	}
	if got, pages := readAsOf(t, s, Prefix(things, "zoo/"), asOf, 1); len(got) > 0 || pages != 2 {
		t.Errorf("%d objects on %d pages", len(got), pages)
	}
}

// TestPagesAreBoundedInBytes: a page of large objects ends early, now and in the
// past, and the pages together are all there is.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	large := []byte(strings.Repeat("x", pageBytes/4))
	writes := map[string]Write{}
	for i := range 11 {
		writes[fmt.Sprintf("ns/%02d", i)] = Write{Body: large}
		writes[fmt.Sprintf("a/%02d", i)] = Write{Body: []byte("x")}
	}
	rvs := putAll(t, s, writes)
	asOf, err := s.GetRevision(within(t))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "ns/00", rvs["ns/00"], "smaller")
	lists := map[string]func(Range) (Page, error){
		"now":             func(r Range) (Page, error) { return s.List(within(t), r, 1000) },
		"the recent past": func(r Range) (Page, error) { return s.ListAsOf(within(t), r, asOf, 1000) },
		"the farther past": func(r Range) (Page, error) {
			s.highest.Add(recently + 1) // have the other statement answer
			defer s.highest.Add(-recently - 1)
			return s.ListAsOf(within(t), r, asOf, 1000)
		},
		"in pages of three": func(r Range) (Page, error) { return s.List(within(t), r, 3) },
	}
	for name, list := range lists {
		n := 0
		for r := Prefix(things, ""); r.From < r.Before; {
			p, err := list(r)
			if err != nil {
				t.Fatal(err)
			}
			bytes := 0
			for _, o := range p.Objects {
				bytes += len(o.Body)
			}
			if bytes >= pageBytes+len(large) {
				t.Errorf("%s: a page of %d bytes", name, bytes)
			}
			n += len(p.Objects)
			r.From = p.Next
		}
		if n != len(writes) {
			t.Errorf("%s: %d objects, want %d", name, n, len(writes))
		}
	}
}
