package storage

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/store"
)

// Get reads an object as it is now, which is not older than any revision that
// the caller can have seen.
func (s *Storage) Get(ctx context.Context, name string, opts storage.GetOptions, out runtime.Object) error {
	k, err := s.key(name, false)
	if err != nil {
		return err
	}
	object, current, err := s.object(ctx, k)
	if err != nil {
		return s.interpret(ctx, err)
	}
	if err := s.checkNotOlder(opts.ResourceVersion, current); err != nil {
		return err
	}
	if object.RV == 0 {
		if opts.IgnoreNotFound {
			return runtime.SetZeroValue(out)
		}
		return storage.NewKeyNotFoundError(k.full, 0)
	}
	data, _, err := s.fromStorage(ctx, k, object.Body)
	if err != nil {
		return named(name, storage.NewInternalError(err))
	}
	return named(name, s.decodeInto(data, out, object.RV))
}

// object reads what stands at a key, and the newest revision. Revision 0: nothing does.
func (s *Storage) object(ctx context.Context, k key) (o store.Object, current int64, err error) {
	if k.impossible {
		current, err = s.store.GetRevision(ctx)
		return store.Object{}, current, err
	}
	return s.store.Get(ctx, s.resource, k.relative)
}

// checkNotOlder refuses a read that demands a revision which does not exist yet.
func (s *Storage) checkNotOlder(minimum string, current int64) error {
	if minimum == "" {
		return nil
	}
	rv, err := s.versioner.ParseResourceVersion(minimum)
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("invalid resource version: %v", err))
	}
	if rv > uint64(current) {
		return storage.NewTooLargeResourceVersionError(rv, uint64(current), 0)
	}
	return nil
}
