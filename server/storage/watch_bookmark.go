package storage

import (
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/store"
)

// Times of the bookmarks that a directly served watch sends by itself: so often
// that its revision is never compacted away while it is quiet, and once more before
// its time is up, so that the next watch begins there.
const (
	bookmarkInterval = 45 * time.Second
	bookmarkBefore   = 2 * time.Second
)

// scheduleBookmark sets when the next bookmark is due.
func (w *watcher) scheduleBookmark() {
	if !w.direct || !w.opts.Predicate.AllowWatchBookmarks {
		return
	}
	now := time.Now()
	next := now.Add(bookmarkInterval + rand.N(bookmarkInterval/3))
	if deadline, ok := w.ctx.Deadline(); ok {
		last := deadline.Add(-bookmarkBefore)
		if now.Before(last) && last.Before(next) {
			next = last
		}
	}
	w.nextBookmark = next
}

// keepUp sends a bookmark if one is due and all events before it were sent.
func (w *watcher) keepUp(sub *store.Subscription) error {
	if w.nextBookmark.IsZero() || time.Now().Before(w.nextBookmark) {
		return nil
	}
	position := sub.Position()
	if position == 0 {
		return nil // there are events to send first
	}
	w.scheduleBookmark()
	return w.sendBookmark(position, false)
}

// sendBookmark tells the client that it has seen everything up to a revision;
// end: and that the initial events end here. It never says less than was sent: a
// watch cache takes the revision as it comes, and would fall behind its content.
func (w *watcher) sendBookmark(rv int64, end bool) error {
	rv = max(rv, w.sent)
	obj := w.newFunc()
	if err := w.versioner.UpdateObject(obj, uint64(rv)); err != nil {
		return fmt.Errorf("set revision of bookmark: %w", err)
	}
	if end {
		if err := storage.AnnotateInitialEventsEndBookmark(obj); err != nil {
			return fmt.Errorf("annotate bookmark: %w", err)
		}
	}
	w.sent = rv
	return w.send(watch.Event{Type: watch.Bookmark, Object: obj})
}
