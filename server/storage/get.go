package storage

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
)

// Get reads an object as it is now, which is not older than any revision that
// the caller can have seen.
func (s *Storage) Get(ctx context.Context, name string, opts storage.GetOptions, out runtime.Object) error {
	k, err := s.key(name, false)
	if err != nil {
		return err
	}
	object, current, err := s.store.Get(ctx, s.resource, k.relative)
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
