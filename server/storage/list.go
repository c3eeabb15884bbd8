package storage

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"

	"mckinsey.com/ark/internal/store"
)

// GetList reads the objects below a key (or the one at it), as of one revision.
func (s *Storage) GetList(ctx context.Context, name string, opts storage.ListOptions, list runtime.Object) error {
	k, err := s.key(name, opts.Recursive)
	if err != nil {
		return err
	}
	items, err := itemsOf(list)
	if err != nil {
		return err
	}
	rv, continueKey, err := storage.ValidateListOptions(k.full, s.versioner, opts)
	if err != nil {
		return err
	}
	l := &listing{
		Storage: s, key: k, opts: opts, items: items, rv: rv, fresh: itemMaker(list, items),
		keys: s.keyRange(k, opts.Recursive, continueKey), continueKey: continueKey,
		errors: s.newAggregator(),
	}
	l.first = l.keys.From
	if err := l.read(ctx); err != nil {
		return err
	}
	return l.finish(ctx, list)
}

// listing is one list on its way.
type listing struct {
	*Storage
	key         key
	opts        storage.ListOptions
	items       reflect.Value
	fresh       func() runtime.Object
	keys        store.Range // what is still to be read
	first       string      // where that began
	continueKey string
	errors      listErrors
	rows        pageRows

	rv      int64  // the revision of the list; 0: that of the first page
	lastKey string // of the last object that was looked at, in full
	hasMore bool   // there are objects after lastKey
}

func itemsOf(list runtime.Object) (reflect.Value, error) {
	ptr, err := meta.GetItemsPtr(list)
	if err != nil {
		return reflect.Value{}, fmt.Errorf("get items of list: %w", err)
	}
	v, err := conversion.EnforcePtr(ptr)
	if err != nil || v.Kind() != reflect.Slice {
		return reflect.Value{}, fmt.Errorf("need pointer to slice of items: %w", err)
	}
	return v, nil
}

func itemMaker(list runtime.Object, items reflect.Value) func() runtime.Object {
	if u, ok := list.(*unstructured.UnstructuredList); ok && u.GetAPIVersion() != "" {
		version := u.GetAPIVersion()
		return func() runtime.Object {
			return &unstructured.Unstructured{Object: map[string]any{"apiVersion": version}}
		}
	}
	elem := items.Type().Elem()
	return func() runtime.Object { return reflect.New(elem).Interface().(runtime.Object) }
}

func (l *listing) limited() bool { return l.opts.Predicate.Limit > 0 }

func (l *listing) full() bool {
	return l.limited() && int64(l.items.Len()) >= l.opts.Predicate.Limit
}

// read reads pages until the list is full, and it is known whether there are
// objects behind it, or there is nothing more. Pages of a filtered list grow, since
// the filter may let few objects through.
func (l *listing) read(ctx context.Context) error {
	rows := l.firstRows()
	for {
		p, err := l.page(ctx, rows+1)
		if err != nil {
			return err
		}
		// The last one of a page that has one too many tells that there is more. It
		// is not looked at: the next page begins with it.
		objects := p.Objects
		if len(objects) > rows {
			objects, p.Next = objects[:rows], objects[rows].Key
			l.hasMore = true
		}
		stopped, err := l.take(ctx, objects)
		if err != nil {
			return err
		}
		l.hasMore = l.hasMore || stopped
		if stopped || p.Next >= l.keys.Before || l.full() && l.hasMore {
			return nil
		}
		l.keys.From, l.hasMore = p.Next, false
		rows = l.nextRows(rows)
	}
}

// page reads up to limit objects, all of one revision.
func (l *listing) page(ctx context.Context, limit int) (p store.Page, err error) {
	if l.rv == 0 {
		p, err = l.store.List(ctx, l.keys, limit)
	} else {
		p, err = l.store.ListAsOf(ctx, l.keys, l.rv, limit)
	}
	if err != nil {
		return p, l.interpret(ctx, err)
	}
	if err := l.settle(p); err != nil {
		return p, err
	}
	l.rows.learn(p.Objects)
	return p, nil
}

// settle checks that the page's snapshot could answer, and fixes the revision of
// the list with the first.
func (l *listing) settle(p store.Page) error {
	switch {
	case l.rv == 0:
		if err := l.checkNotOlder(l.opts.ResourceVersion, p.Current); err != nil {
			return err
		}
		l.rv = p.Current
	case l.rv > p.Current:
		return storage.NewTooLargeResourceVersionError(uint64(l.rv), uint64(p.Current), 0)
	case l.rv < p.Compacted:
		if len(l.opts.Predicate.Continue) > 0 {
			return expiredContinue(l.continueKey, l.key.full)
		}
		return expiredList()
	}
	return nil
}

// take decodes and filters objects. stopped: the list was full before the last one.
func (l *listing) take(ctx context.Context, objects []store.Object) (stopped bool, err error) {
	if l.opts.Predicate.Empty() {
		l.items.Grow(len(objects))
	}
	for i := range objects {
		if l.full() {
			return true, nil
		}
		k := l.child(objects[i].Key)
		l.lastKey = k.full
		if err := ctx.Err(); err != nil {
			return false, storage.NewTimeoutError(k.full, "request did not complete within requested timeout")
		}
		obj, err := l.decode(ctx, k, &objects[i])
		if err != nil {
			if l.errors.add(k.full, err) {
				return false, l.errors.result(l.gr)
			}
			continue
		}
		// An object whose attributes cannot be told matches nothing.
		if matched, err := l.opts.Predicate.Matches(obj); err == nil && matched {
			l.items.Set(reflect.Append(l.items, reflect.ValueOf(obj).Elem()))
		}
	}
	return false, nil
}

func (l *listing) decode(ctx context.Context, k key, o *store.Object) (runtime.Object, error) {
	data, _, err := l.fromStorage(ctx, k, o.Body)
	o.Body = nil // long lists take seconds: let go early
	if err != nil {
		return nil, storage.NewInternalError(fmt.Errorf("unable to transform key %q: %w", k.full, err))
	}
	obj, err := l.decodeItem(ctx, data, o.RV, l.fresh)
	if err != nil {
		return nil, fmt.Errorf("unable to decode key %q: %w", k.full, err)
	}
	return obj, nil
}

// finish writes the list's own metadata.
func (l *listing) finish(ctx context.Context, list runtime.Object) error {
	if err := l.errors.result(l.gr); err != nil {
		return err
	}
	if l.items.IsNil() {
		l.items.Set(reflect.MakeSlice(l.items.Type(), 0, 0))
	}
	count := int64(0)
	if l.hasMore && l.opts.Predicate.Empty() {
		remaining, err := l.countRemaining(ctx)
		if err != nil {
			return err
		}
		count = remaining + l.opts.Predicate.Limit
	}
	token, remaining, err := storage.PrepareContinueToken(l.lastKey, l.key.full, l.rv, count, l.hasMore, l.opts)
	if err != nil {
		return fmt.Errorf("prepare continue token: %w", err)
	}
	if err := l.versioner.UpdateList(list, uint64(l.rv), token, remaining); err != nil {
		return fmt.Errorf("set metadata of list: %w", err)
	}
	if utilfeature.DefaultFeatureGate.Enabled(features.ShardedListAndWatch) {
		l.opts.Predicate.SetShardInfoOnList(list)
	}
	return nil
}
