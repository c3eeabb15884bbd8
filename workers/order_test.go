package workers

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

func priority(n int) func(*arkv1alpha1.Query) {
	return func(q *arkv1alpha1.Query) {
		q.Annotations = map[string]string{arkv1alpha1.AnnotationPriority: strconv.Itoa(n)}
	}
}

// Priority first, then turns between namespaces, then age.
func TestOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		created []*arkv1alpha1.Query
		want    []string
	}{
		"age": {
			[]*arkv1alpha1.Query{newQuery("a", "1"), newQuery("a", "2"), newQuery("a", "3")},
			[]string{"a/1", "a/2", "a/3"},
		},
		"priority": {
			[]*arkv1alpha1.Query{newQuery("a", "low", priority(-10)), newQuery("a", "1"), newQuery("a", "high", priority(99)), newQuery("a", "5", priority(5))},
			[]string{"a/high", "a/5", "a/1", "a/low"},
		},
		"fairness": {
			[]*arkv1alpha1.Query{newQuery("a", "1"), newQuery("a", "2"), newQuery("a", "3"), newQuery("b", "1"), newQuery("b", "2"), newQuery("c", "1")},
			[]string{"a/1", "b/1", "c/1", "a/2", "b/2", "a/3"},
		},
		"fairness within a priority": {
			[]*arkv1alpha1.Query{newQuery("a", "1"), newQuery("a", "2", priority(1)), newQuery("a", "3", priority(1)), newQuery("b", "1", priority(1))},
			[]string{"a/2", "b/1", "a/3", "a/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for _, q := range test.created {
				f.create(q)
			}
			g := newGate()
			f.start(g, func(o *Options) { o.Concurrency = 1 })
			var got []string
			for range test.created {
				got = append(got, key(f.next(g.began)))
				g.open <- struct{}{}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("executed in the order %v, want %v", got, test.want)
			}
			f.queueEmpty()
		})
	}
}

// A tenant that has 10,000 queries in the queue delays another tenant's first
// one by no more than one round of the slots.
func TestLargeTenantDelaysNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const large, slots = 10000, 4
	var creators sync.WaitGroup
	for c := range 100 {
		creators.Go(func() {
			for i := range large / 100 {
				f.create(newQuery("large", fmt.Sprintf("q-%d-%d", c, i)))
			}
		})
	}
	creators.Wait()
	g := newGate()
	f.start(g, func(o *Options) { o.Concurrency = slots })
	for range 3 * slots {
		f.next(g.began)
		g.open <- struct{}{}
	}
	for range slots { // all slots are taken, and none of these ends by itself
		f.next(g.began)
	}
	f.create(newQuery("small", "first"))
	// One ends, one is leased: the order of the leases is that in which they begin.
	for position := 1; ; position++ {
		if position > 2 { // the one that waited at the front goes first
			t.Fatalf("%d queries of the large tenant were begun before", position-1)
		}
		g.open <- struct{}{}
		if q := f.next(g.began); q.Namespace == "small" {
			break
		}
	}
	for range slots { // small is among those that wait to be let go, in order
		g.open <- struct{}{}
	}
	f.ended("small/first")
}
