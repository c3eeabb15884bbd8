package storage

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	endpointsrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/store"
)

func (s *Storage) encode(obj runtime.Object) ([]byte, error) {
	data, err := runtime.Encode(s.codec, obj)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", s.gr, err)
	}
	return data, nil
}

func (s *Storage) toStorage(ctx context.Context, k key, data []byte) ([]byte, error) {
	body, err := (*s.transformer.Load()).TransformToStorage(ctx, data, dataContext(k.full))
	if err != nil {
		return nil, storage.NewInternalError(err)
	}
	return body, nil
}

func (s *Storage) fromStorage(ctx context.Context, k key, body []byte) (data []byte, stale bool, err error) {
	data, stale, err = (*s.transformer.Load()).TransformFromStorage(ctx, body, dataContext(k.full))
	return data, stale, s.untransformable(err)
}

// decodeInto decodes data into an object, and gives it its revision.
func (s *Storage) decodeInto(data []byte, into runtime.Object, rv int64) error {
	if _, err := conversion.EnforcePtr(into); err != nil {
		return fmt.Errorf("convert output object to pointer: %w", err)
	}
	if _, _, err := s.codec.Decode(data, nil, into); err != nil {
		return s.undecodable(rv, err)
	}
	s.setVersion(into, rv)
	return nil
}

// decodeItem decodes data into an object that fresh makes.
func (s *Storage) decodeItem(ctx context.Context, data []byte, rv int64, fresh func() runtime.Object) (runtime.Object, error) {
	started := time.Now()
	defer func() { endpointsrequest.TrackDecodeLatency(ctx, time.Since(started)) }()
	obj, _, err := s.codec.Decode(data, nil, fresh())
	if err != nil {
		return nil, s.undecodable(rv, err)
	}
	s.setVersion(obj, rv)
	return obj, nil
}

// setVersion: an object without metadata is still an object.
func (s *Storage) setVersion(obj runtime.Object, rv int64) {
	if err := s.versioner.UpdateObject(obj, uint64(rv)); err != nil {
		klog.Background().Error(err, "Cannot set the resourceVersion of an object", "resource", s.gr)
	}
}

// state is an object as an update or a deletion finds it.
type state struct {
	obj   runtime.Object // nil: it cannot be decoded
	rv    int64          // 0: there is none
	data  []byte         // before the transformation to storage
	stale bool           // the transformation would be another one today
}

// newLike makes an empty object of the type that v holds.
func newLike(v reflect.Value) runtime.Object {
	if u, ok := v.Addr().Interface().(runtime.Unstructured); ok {
		return u.NewEmptyInstance()
	}
	return reflect.New(v.Type()).Interface().(runtime.Object)
}

// readState reads what stands at a key now.
func (s *Storage) readState(ctx context.Context, k key, v reflect.Value, want wanted) (*state, error) {
	object, _, err := s.object(ctx, k)
	if err != nil {
		return nil, s.interpret(ctx, err)
	}
	return s.stateOf(ctx, k, object.RV, object.Body, v, want)
}

// wanted says which states are no error.
type wanted struct {
	missing bool // there may be no object
	corrupt bool // it must not be decodable
}

// stateOf makes a state of what is stored.
func (s *Storage) stateOf(ctx context.Context, k key, rv int64, body []byte, v reflect.Value, want wanted) (*state, error) {
	if rv == 0 {
		if !want.missing {
			return nil, storage.NewKeyNotFoundError(k.full, 0)
		}
		obj := newLike(v)
		return &state{obj: obj}, runtime.SetZeroValue(obj)
	}
	data, stale, err := s.fromStorage(ctx, k, body)
	if err != nil {
		if want.corrupt {
			return &state{rv: rv, stale: true}, nil
		}
		return nil, storage.NewInternalError(err)
	}
	st := &state{obj: newLike(v), rv: rv, data: data, stale: stale}
	if err := s.decodeInto(data, st.obj, rv); err != nil {
		if want.corrupt {
			return &state{rv: rv, data: data, stale: stale}, nil
		}
		return nil, err
	}
	if want.corrupt {
		return nil, storage.NewInvalidObjError(k.full, "unsafe deletion is not allowed because the object is decodable from storage")
	}
	return st, nil
}

// stateOfObject makes a state of an object that the caller believes to be current.
func (s *Storage) stateOfObject(obj runtime.Object) (*state, error) {
	rv, err := s.versioner.ObjectResourceVersion(obj)
	if err != nil {
		return nil, fmt.Errorf("get resource version: %w", err)
	}
	if err := s.versioner.PrepareObjectForStorage(obj); err != nil {
		return nil, fmt.Errorf("prepare object for storage: %w", err)
	}
	data, err := s.encode(obj)
	if err != nil {
		return nil, err
	}
	s.setVersion(obj, int64(rv))
	return &state{obj: obj, rv: int64(rv), data: data}, nil
}

// change asks the hook of the resource what a write does beside the object.
func (s *Storage) change(old, updated runtime.Object) *store.QueryChange {
	if s.onWrite == nil {
		return nil
	}
	return s.onWrite(old, updated, s.clock.Now())
}

func (s *Storage) expiry(ttl uint64) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return s.clock.Now().Add(time.Duration(ttl) * time.Second)
}
