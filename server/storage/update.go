package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/store"
)

// GuaranteedUpdate replaces an object by what tryUpdate makes of it, again until
// nobody else has written in between. What stays the same is not written.
// cached, if not nil, is what the caller believes to be current.
func (s *Storage) GuaranteedUpdate(ctx context.Context, name string, destination runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc, cached runtime.Object) error {
	k, err := s.key(name, false)
	if err != nil {
		return err
	}
	if k.impossible && ignoreNotFound {
		return k.unwritable()
	}
	v, err := conversion.EnforcePtr(destination)
	if err != nil {
		return fmt.Errorf("convert output object to pointer: %w", err)
	}
	u := &update{Storage: s, key: k, v: v, want: wanted{missing: ignoreNotFound},
		preconditions: preconditions, try: tryUpdate}
	data, rv, err := u.run(ctx, cached)
	if err != nil {
		return err
	}
	return s.decodeInto(data, destination, rv)
}

// update is the loop of compare and swap that an update is.
type update struct {
	*Storage
	key           key
	v             reflect.Value
	want          wanted
	preconditions *storage.Preconditions
	try           storage.UpdateFunc

	state   *state
	current bool // state was read, not believed
}

// attempt is what one call of tryUpdate wants to be stored.
type attempt struct {
	data []byte
	ttl  uint64
	// old is the object before: tryUpdate may have changed it in place.
	old, updated runtime.Object
}

// run returns the data that is stored in the end, and its revision.
func (u *update) run(ctx context.Context, cached runtime.Object) ([]byte, int64, error) {
	if err := u.begin(ctx, cached); err != nil {
		return nil, 0, err
	}
	for {
		a, again, err := u.attempt(ctx)
		if err != nil {
			return nil, 0, err
		}
		if again {
			continue
		}
		same, again, err := u.unchanged(ctx, a)
		if err != nil {
			return nil, 0, err
		}
		if same {
			return u.state.data, u.state.rv, nil
		}
		if again {
			continue
		}
		rv, err := u.write(ctx, a)
		if err != nil {
			return nil, 0, err
		}
		if rv > 0 {
			return a.data, rv, nil
		}
	}
}

func (u *update) begin(ctx context.Context, cached runtime.Object) (err error) {
	if cached == nil || u.key.impossible {
		return u.read(ctx)
	}
	u.state, err = u.stateOfObject(cached)
	return err
}

func (u *update) read(ctx context.Context) (err error) {
	u.state, err = u.readState(ctx, u.key, u.v, u.want)
	u.current = true
	return err
}

// attempt calls tryUpdate. again: it failed on a state that was old.
func (u *update) attempt(ctx context.Context) (a attempt, again bool, err error) {
	if err := u.preconditions.Check(u.key.full, u.state.obj); err != nil {
		if u.current {
			return a, false, err
		}
		return a, true, u.read(ctx)
	}
	if u.onWrite != nil && u.state.rv > 0 {
		a.old = u.state.obj.DeepCopyObject()
	}
	updated, ttl, err := u.try(u.state.obj, storage.ResponseMeta{ResourceVersion: uint64(u.state.rv)})
	if err != nil {
		if u.current {
			return a, false, err
		}
		// What the caller believed may be old: look, and if it was not, it failed rightly.
		believed := u.state.rv
		if readErr := u.read(ctx); readErr != nil {
			return a, false, readErr
		}
		if u.state.rv == believed {
			return a, false, err
		}
		return a, true, nil
	}
	if err := u.versioner.PrepareObjectForStorage(updated); err != nil {
		return a, false, fmt.Errorf("prepare object for storage: %w", err)
	}
	if ttl != nil {
		a.ttl = *ttl
	}
	a.updated = updated
	a.data, err = u.encode(updated)
	return a, false, err
}

// unchanged tells whether there is nothing to write: what is wanted is what is
// stored, and stored as it would be today. again: the state was old.
func (u *update) unchanged(ctx context.Context, a attempt) (same, again bool, err error) {
	if u.state.stale || !bytes.Equal(a.data, u.state.data) {
		return false, false, nil
	}
	if !u.current {
		if err := u.read(ctx); err != nil {
			return false, false, err
		}
		if !bytes.Equal(a.data, u.state.data) {
			return false, true, nil
		}
	}
	return !u.state.stale, false, nil
}

// write returns revision 0 if somebody else was faster; state is theirs then.
func (u *update) write(ctx context.Context, a attempt) (int64, error) {
	body, err := u.toStorage(ctx, u.key, a.data)
	if err != nil {
		return 0, err
	}
	rv, err := u.store.Write(ctx, store.Write{
		Resource: u.resource, Key: u.key.relative, Expect: u.state.rv, Body: body,
		ExpiresAt: u.expiry(a.ttl), Query: u.change(a.old, a.updated)})
	var conflict *store.Conflict
	if !errors.As(err, &conflict) {
		return rv, u.interpret(ctx, err)
	}
	u.state, err = u.stateOf(ctx, u.key, conflict.RV, conflict.Body, u.v, u.want)
	u.current = true
	return 0, err
}
