package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"mckinsey.com/ark/internal/store"
)

// change is an event with its objects, decoded when first asked for. Watches that
// are served directly share one.
type change struct {
	storage *Storage
	event   *store.Event
	// updated is the object after, old the one before with the revision of the
	// change: what a watch shows as deleted.
	updated, old image
}

// image is one of the two objects of a change.
type image struct {
	once   sync.Once
	obj    runtime.Object
	shared runtime.Object // obj, encoded once for all who are sent it
	err    error
}

// changeOf returns what a watch sees of an event. Directly served watches see the
// same objects, encoded once; the watch cache gets objects of its own.
func (w *watcher) changeOf(e *store.Event) *change {
	if !w.direct {
		return &change{storage: w.Storage, event: e}
	}
	return e.Shared(w.Storage, func() any {
		return &change{storage: w.Storage, event: e}
	}).(*change)
}

func (c *change) after(ctx context.Context) *image {
	c.updated.once.Do(func() { c.decode(ctx, &c.updated, c.event.Body) })
	return &c.updated
}

func (c *change) before(ctx context.Context) *image {
	c.old.once.Do(func() { c.decode(ctx, &c.old, c.event.PrevBody) })
	return &c.old
}

// decode must not depend on the watch that happens to ask first.
func (c *change) decode(ctx context.Context, i *image, body []byte) {
	s := c.storage
	ctx = context.WithoutCancel(ctx)
	k := s.child(c.event.Key)
	data, _, err := s.fromStorage(ctx, k, body)
	if err != nil {
		i.err = fmt.Errorf("transform %q: %w", k.full, err)
		return
	}
	i.obj, err = s.decodeItem(ctx, data, c.event.RV, s.newFunc)
	if err != nil {
		i.err = fmt.Errorf("decode %q: %w", k.full, err)
		return
	}
	i.shared = i.obj
	if s.direct {
		i.shared = newSharedObject(i.obj)
	}
}

// convert makes of an event what the client of this watch is to see: an object
// that begins to match is added, one that stops matching is deleted. nil: nothing.
func (w *watcher) convert(e *store.Event) (*watch.Event, error) {
	c := w.changeOf(e)
	if e.Body == nil {
		return w.convertDeletion(c)
	}
	updated := c.after(w.ctx)
	if updated.err != nil {
		return nil, updated.err
	}
	is := w.matches(updated.obj)
	if e.PrevBody == nil || w.opts.Predicate.Empty() {
		if !is {
			return nil, nil
		}
		if e.PrevBody == nil {
			return &watch.Event{Type: watch.Added, Object: updated.shared}, nil
		}
		return &watch.Event{Type: watch.Modified, Object: updated.shared}, nil
	}
	old := c.before(w.ctx)
	if old.err != nil {
		return nil, old.err
	}
	was := w.matches(old.obj)
	switch {
	case is && was:
		return &watch.Event{Type: watch.Modified, Object: updated.shared}, nil
	case is:
		return &watch.Event{Type: watch.Added, Object: updated.shared}, nil
	case was:
		return &watch.Event{Type: watch.Deleted, Object: old.shared}, nil
	}
	return nil, nil
}

func (w *watcher) convertDeletion(c *change) (*watch.Event, error) {
	old := c.before(w.ctx)
	if old.err != nil {
		return nil, corruptDeletion(old.err)
	}
	if !w.matches(old.obj) {
		return nil, nil
	}
	return &watch.Event{Type: watch.Deleted, Object: old.shared}, nil
}

// corruptDeletion tells a watch that an object is gone which cannot be shown.
func corruptDeletion(err error) error {
	var corrupt *corruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Reason:  metav1.StatusReasonStoreReadError,
		Message: fmt.Sprintf("saw a DELETED event, but object data is corrupt - %v", corrupt),
	}}
}

// matches: an object whose attributes cannot be told matches nothing.
func (w *watcher) matches(obj runtime.Object) bool {
	if w.opts.Predicate.Empty() {
		return true
	}
	matched, err := w.opts.Predicate.Matches(obj)
	return err == nil && matched
}
