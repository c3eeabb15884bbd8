package storage

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/watch"

	"mckinsey.com/ark/internal/store"
)

// TestBookmarksDoNotGoBack: a bookmark never says less than what was sent before.
func TestBookmarksDoNotGoBack(t *testing.T) {
	t.Parallel()
	s, err := New(func() Config { c := podConfig(); c.Store = &store.Store{}; return c }())
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{Storage: s, ctx: context.Background(), results: make(chan watch.Event, 2), sent: 10}
	for _, told := range []int64{5, 12} {
		if err := w.sendItem(&store.Item{RV: told}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"10", "12"} {
		if got := podOf(t, receive(t, w)).ResourceVersion; got != want {
			t.Errorf("a bookmark at %s, want %s", got, want)
		}
	}
}
