package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	utilflowcontrol "k8s.io/apiserver/pkg/util/flowcontrol"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
)

// resultBuffer is how many events may wait for the client of a watch, beside
// those that wait in its subscription.
const resultBuffer = 100

// retryPause is the pause of a watch whose database is away.
const retryPause = time.Second

// Watch streams the changes of the objects below a key, or of the one at it.
// What goes wrong after the start comes as an event.
func (s *Storage) Watch(ctx context.Context, name string, opts storage.ListOptions) (watch.Interface, error) {
	k, err := s.key(name, opts.Recursive)
	if err != nil {
		return nil, err
	}
	rv, err := s.versioner.ParseResourceVersion(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	w := &watcher{Storage: s, key: k, opts: opts, start: int64(rv), results: make(chan watch.Event, resultBuffer)}
	w.decide()
	if w.start == 0 && !w.initial {
		if w.start, err = s.store.GetRevision(ctx); err != nil {
			return nil, s.interpret(ctx, err)
		}
	}
	w.ctx, w.cancel = context.WithCancel(ctx)
	go w.run()
	return w, nil
}

// watcher is one watch.
type watcher struct {
	*Storage
	key  key
	opts storage.ListOptions
	// start is the revision to start after; 0: that of the initial events.
	start int64
	// initial: the present objects come first. marked: a bookmark says where they end.
	initial, marked bool

	ctx     context.Context
	cancel  context.CancelFunc
	results chan watch.Event

	sent         int64 // greatest revision that the client knows
	nextBookmark time.Time
}

var _ watch.Interface = (*watcher)(nil)

// Stop ends the watch.
func (w *watcher) Stop() { w.cancel() }

// ResultChan is where the events come. It is closed at the end of the watch.
func (w *watcher) ResultChan() <-chan watch.Event { return w.results }

// decide what the request wants to see first.
func (w *watcher) decide() {
	wants := w.opts.SendInitialEvents
	if !utilfeature.DefaultFeatureGate.Enabled(features.WatchList) {
		wants = nil
	}
	w.initial = wants == nil && w.start == 0 || wants != nil && *wants
	w.marked = wants != nil && *wants && w.opts.Predicate.AllowWatchBookmarks
}

func (w *watcher) run() {
	defer close(w.results)
	defer w.cancel()
	err := w.begin()
	utilflowcontrol.WatchInitialized(w.ctx)
	if err == nil {
		err = w.follow()
	}
	w.sendError(err)
}

// begin sends the present objects, if they are wanted.
func (w *watcher) begin() error {
	w.scheduleBookmark()
	if !w.initial {
		return w.refuseFuture()
	}
	if err := w.sendPresent(); err != nil {
		return err
	}
	w.sent = w.start
	if !w.marked {
		return nil
	}
	return w.sendBookmark(w.start, true)
}

// refuseFuture: a revision that the database has not reached is one from before
// it was restored. To wait for it would be to miss everything until then.
func (w *watcher) refuseFuture() error {
	w.sent = w.start
	for w.start > w.store.Position() {
		current, err := w.store.GetRevision(w.ctx)
		switch {
		case err == nil && w.start > current:
			return apierrors.NewResourceExpired(fmt.Sprintf(
				"The resourceVersion %d for the provided watch is not known, the newest is %d.", w.start, current))
		case err == nil:
			return nil
		}
		if err := w.await(err); err != nil {
			return err
		}
	}
	return nil
}

// follow sends what happens from start on, until the watch ends.
func (w *watcher) follow() error {
	wanted := store.Subscribe{
		Resource: w.resource, Key: w.key.relative, Recursive: w.opts.Recursive,
		After: w.start, Progress: w.opts.ProgressNotify}
	if w.key.impossible {
		wanted.Key, wanted.Recursive = "", false // no object has no name
	}
	sub := w.store.Subscribe(wanted)
	defer sub.Close()
	for {
		items, err := w.next(sub)
		if err != nil {
			return err
		}
		for i := range items {
			if err := w.sendItem(&items[i]); err != nil {
				return err
			}
		}
		if err := w.keepUp(sub); err != nil {
			return err
		}
	}
}

// next waits for items, at most until a bookmark is due.
func (w *watcher) next(sub *store.Subscription) ([]store.Item, error) {
	ctx := w.ctx
	if !w.nextBookmark.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, w.nextBookmark)
		defer cancel()
	}
	items, err := sub.Next(ctx)
	switch {
	case err == nil:
		return items, nil
	case w.ctx.Err() != nil:
		return nil, w.ctx.Err()
	case ctx.Err() != nil:
		return nil, nil
	}
	return nil, w.await(err)
}

// await pauses after an error that means that the database is away; others it returns.
func (w *watcher) await(err error) error {
	if !pg.IsUnavailable(err) && !errors.Is(err, context.DeadlineExceeded) {
		return w.interpret(w.ctx, err)
	}
	klog.FromContext(w.ctx).V(2).Info("A watch waits for the database", "resource", w.gr, "err", err)
	timer := time.NewTimer(retryPause + rand.N(retryPause))
	defer timer.Stop()
	select {
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (w *watcher) sendItem(item *store.Item) error {
	if item.Event == nil {
		return w.sendBookmark(item.RV, false)
	}
	event, err := w.convert(item.Event)
	if err != nil || event == nil {
		return err
	}
	w.sent = item.RV
	return w.send(*event)
}

// send waits for the client; the subscription holds what comes meanwhile, as far
// as there is room, and later reads the rest from the database.
func (w *watcher) send(event watch.Event) error {
	select {
	case w.results <- event:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// sendError sends the last event of a watch that failed. One that was stopped
// just ends.
func (w *watcher) sendError(err error) {
	if err == nil || w.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return
	}
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	if status.Reason != "Expired" {
		klog.FromContext(w.ctx).Error(err, "A watch failed", "resource", w.gr, "key", strings.TrimSuffix(w.key.full, "/"))
	}
	// The client gets it, or has given up.
	_ = w.send(watch.Event{Type: watch.Error, Object: &status})
}
