package storage

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/store"
)

// Create adds an object at a key where there is none. out, if not nil, becomes
// what is stored. A ttl in seconds makes storage delete it by itself.
func (s *Storage) Create(ctx context.Context, name string, obj, out runtime.Object, ttl uint64) error {
	k, err := s.key(name, false)
	if err != nil {
		return err
	}
	if k.impossible {
		return k.unwritable()
	}
	if version, err := s.versioner.ObjectResourceVersion(obj); err == nil && version != 0 {
		return storage.ErrResourceVersionSetOnCreate
	}
	if err := s.versioner.PrepareObjectForStorage(obj); err != nil {
		return fmt.Errorf("prepare object for storage: %w", err)
	}
	data, err := s.encode(obj)
	if err != nil {
		return err
	}
	body, err := s.toStorage(ctx, k, data)
	if err != nil {
		return err
	}
	rv, err := s.store.Write(ctx, store.Write{
		Resource: s.resource, Key: k.relative, Body: body, ExpiresAt: s.expiry(ttl), Query: s.change(nil, obj)})
	var conflict *store.Conflict
	if errors.As(err, &conflict) {
		return storage.NewKeyExistsError(k.full, 0)
	}
	if err != nil {
		return s.interpret(ctx, err)
	}
	if out == nil {
		return nil
	}
	return s.decodeInto(data, out, rv)
}
