package storage

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"

	"mckinsey.com/ark/internal/store"
)

// Delete removes an object, which out becomes, with the revision of the deletion.
// cached, if not nil, is what the caller believes to be current.
func (s *Storage) Delete(ctx context.Context, name string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, cached runtime.Object, opts storage.DeleteOptions) error {
	k, err := s.key(name, false)
	if err != nil {
		return err
	}
	v, err := conversion.EnforcePtr(out)
	if err != nil {
		return fmt.Errorf("convert output object to pointer: %w", err)
	}
	corrupt := opts.ExpectTransformOrDecodeError &&
		utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion)
	d := &deletion{Storage: s, key: k, v: v, want: wanted{corrupt: corrupt},
		check: func(obj runtime.Object) error {
			if preconditions != nil {
				if err := preconditions.Check(k.full, obj); err != nil {
					return err
				}
			}
			return validate(ctx, obj)
		}}
	if corrupt {
		cached = nil
	}
	st, rv, err := d.run(ctx, cached)
	if err != nil || corrupt {
		return err
	}
	return s.decodeInto(st.data, out, rv)
}

// deletion is the loop of compare and swap that a deletion is.
type deletion struct {
	*Storage
	key   key
	v     reflect.Value
	want  wanted
	check func(runtime.Object) error
}

// run returns the state that was deleted and the revision of the deletion.
func (d *deletion) run(ctx context.Context, cached runtime.Object) (*state, int64, error) {
	st, current, err := d.begin(ctx, cached)
	for err == nil {
		if failed := d.check(st.obj); failed != nil {
			if current {
				return nil, 0, failed
			}
			// What the caller believed may be old: look, and if it was not, it failed rightly.
			believed := st.rv
			if st, err = d.readState(ctx, d.key, d.v, d.want); err == nil && st.rv == believed {
				return nil, 0, failed
			}
			current = true
			continue
		}
		var rv int64
		rv, err = d.store.Write(ctx, store.Write{
			Resource: d.resource, Key: d.key.relative, Expect: st.rv, Query: d.change(st.obj, nil)})
		if err == nil {
			return st, rv, nil
		}
		var conflict *store.Conflict
		if !errors.As(err, &conflict) {
			return nil, 0, d.interpret(ctx, err)
		}
		st, err = d.stateOf(ctx, d.key, conflict.RV, conflict.Body, d.v, d.want)
		current = true
	}
	return nil, 0, err
}

// begin starts from what the caller believes to be current, if that can be.
func (d *deletion) begin(ctx context.Context, cached runtime.Object) (st *state, current bool, err error) {
	if cached != nil && !d.key.impossible {
		st, err = d.stateOfObject(cached)
		if err != nil || st.rv > 0 {
			return st, false, err
		}
	}
	st, err = d.readState(ctx, d.key, d.v, d.want)
	return st, true, err
}
