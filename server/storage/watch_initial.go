package storage

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/store"
)

// sendPresent sends the objects of one revision as ADDED, page by page: what is
// sent is not held. The watch then goes on after that revision.
func (w *watcher) sendPresent() error {
	minimum := w.start
	w.start = 0
	keys := w.keyRange(w.key, w.opts.Recursive, "")
	var rows pageRows
	for {
		p, err := w.presentPage(keys, rows.affordable(), minimum)
		if err != nil {
			return err
		}
		rows.learn(p.Objects)
		for i := range p.Objects {
			if err := w.sendAdded(&p.Objects[i]); err != nil {
				return err
			}
		}
		if p.Next >= keys.Before {
			return nil
		}
		keys.From = p.Next
	}
}

func (w *watcher) presentPage(keys store.Range, rows int, minimum int64) (p store.Page, err error) {
	if w.start == 0 {
		p, err = w.store.List(w.ctx, keys, rows)
	} else {
		p, err = w.store.ListAsOf(w.ctx, keys, w.start, rows)
	}
	if err != nil {
		return p, w.interpret(w.ctx, err)
	}
	switch {
	case w.start == 0:
		if minimum > p.Current {
			retry := int(wait.Jitter(time.Second, 3).Seconds())
			return p, storage.NewTooLargeResourceVersionError(uint64(minimum), uint64(p.Current), retry)
		}
		w.start = p.Current
	case w.start < p.Compacted:
		return p, expiredList()
	}
	return p, nil
}

func (w *watcher) sendAdded(o *store.Object) error {
	k := w.child(o.Key)
	data, _, err := w.fromStorage(w.ctx, k, o.Body)
	o.Body = nil
	if err != nil {
		return fmt.Errorf("transform %q: %w", k.full, err)
	}
	obj, err := w.decodeItem(context.WithoutCancel(w.ctx), data, o.RV, w.newFunc)
	if err != nil {
		return fmt.Errorf("decode %q: %w", k.full, err)
	}
	if !w.matches(obj) {
		return nil
	}
	return w.send(watch.Event{Type: watch.Added, Object: obj})
}
