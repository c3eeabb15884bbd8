package storage

import (
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
)

// TestWatchFromListIsSeamless: lists are made while others write; a watch from the
// revision of each shows what the list does not, all of it, once, and nothing old.
// So it is directly, and through a watch cache that is told of progress at once.
func TestWatchFromListIsSeamless(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(testing.TB) storage.Interface{
		"direct": func(t testing.TB) storage.Interface { return newFixture(t) },
		"cached": func(t testing.TB) storage.Interface {
			return newCachedFixture(t, nil, func(s *settings) { s.options.EagerProgress = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			const writers, writes, lists = 8, 50, 30
			var wg sync.WaitGroup
			for n := range writers {
				wg.Go(func() {
					for i := range writes {
						create(t, s, podNamed(fmt.Sprint("ns-", n), fmt.Sprint("pod-", i)))
					}
				})
			}
			for range lists {
				out := list(t, s, page(0, ""))
				seen := map[string]bool{}
				for i := range out.Items {
					seen[podKey(&out.Items[i])] = true
				}
				w := startWatch(t, s, "/pods/", withBookmarks(out.ResourceVersion))
				wg.Go(func() { expectRest(t, s, w, seen, out.ResourceVersion, writers*writes) })
			}
			wg.Wait()
		})
	}
}

func withBookmarks(rv string) storage.ListOptions {
	opts := from(rv)
	opts.Predicate.AllowWatchBookmarks, opts.ProgressNotify = true, true
	return opts
}

// expectRest reads until all objects were seen, by a list at a revision or since. A
// watch cache ends watches that do not keep up: they are resumed where they were.
func expectRest(t *testing.T, s storage.Interface, w watch.Interface, seen map[string]bool, revision string, all int) {
	versioner := storage.APIObjectVersioner{}
	last, err := versioner.ParseResourceVersion(revision)
	if err != nil {
		t.Error(err)
		return
	}
	for len(seen) < all {
		e, ok := <-w.ResultChan()
		if !ok {
			if w, err = s.Watch(t.Context(), "/pods/", withBookmarks(fmt.Sprint(last))); err != nil {
				t.Error(err)
				return
			}
			defer w.Stop()
			continue
		}
		pod := podOf(t, e)
		rv, err := versioner.ObjectResourceVersion(pod)
		switch {
		case err != nil:
			t.Error(err)
			return
		case e.Type == watch.Bookmark && rv >= last:
		case e.Type == watch.Added && rv > last && !seen[podKey(pod)]:
			seen[podKey(pod)] = true
		default:
			t.Errorf("%s %s at revision %d comes a second time, or late (after %d)", e.Type, podKey(pod), rv, last)
			return
		}
		last = rv
	}
}
