package storage

import (
	"bytes"
	"io"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// sharedObject is an object that many watches send: each encoding of it is made
// once. Nobody may modify the object inside; whoever wants to gets a copy.
type sharedObject struct {
	object runtime.Object

	mu        sync.Mutex
	encodings map[runtime.Identifier]*encoding
}

var (
	_ runtime.CacheableObject   = (*sharedObject)(nil)
	_ metav1.ObjectMetaAccessor = (*sharedObject)(nil)
)

// encoding is the object as one encoder writes it.
type encoding struct {
	once sync.Once
	raw  []byte
	err  error
}

func newSharedObject(obj runtime.Object) *sharedObject {
	return &sharedObject{object: obj, encodings: map[runtime.Identifier]*encoding{}}
}

// CacheEncode writes the encoding that id names, and makes it if nobody has.
func (o *sharedObject) CacheEncode(id runtime.Identifier, encode func(runtime.Object, io.Writer) error, w io.Writer) error {
	e := o.encoding(id)
	e.once.Do(func() {
		var buffer bytes.Buffer
		// A copy, because encoders may set the kind of what they encode.
		e.err = encode(o.GetObject(), &buffer)
		e.raw = buffer.Bytes()
	})
	if e.err != nil {
		return e.err
	}
	if splice, ok := w.(runtime.Splice); ok {
		splice.Splice(e.raw)
		return nil
	}
	_, err := w.Write(e.raw)
	return err
}

func (o *sharedObject) encoding(id runtime.Identifier) *encoding {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.encodings[id]
	if e == nil {
		e = &encoding{}
		o.encodings[id] = e
	}
	return e
}

// GetObject returns a copy of the object.
func (o *sharedObject) GetObject() runtime.Object { return o.object.DeepCopyObject() }

// GetObjectKind returns the kind of the object.
func (o *sharedObject) GetObjectKind() schema.ObjectKind { return o.object.GetObjectKind() }

// DeepCopyObject returns a copy that shares nothing.
func (o *sharedObject) DeepCopyObject() runtime.Object { return newSharedObject(o.GetObject()) }

// GetObjectMeta gives the metadata to readers.
func (o *sharedObject) GetObjectMeta() metav1.Object {
	accessor, err := meta.Accessor(o.object)
	if err != nil {
		return nil
	}
	return accessor
}
