package workers

import (
	"bytes"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// storagePrefix makes a key of the database the key that the API server's
// transformers authenticate.
const storagePrefix = "/" + arkv1alpha1.GroupName + "/queries/"

// stored is a Query as it stands in the database.
type stored struct {
	rv    int64
	data  []byte // JSON
	query *arkv1alpha1.Query
}

// codec reads and writes the bytes of Queries as the API server's storage does.
type codec struct {
	transformer value.Transformer
	serializer  runtime.Serializer
	fields      *managedfields.FieldManager
}

func newCodec(transformer value.Transformer) (*codec, error) {
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the types of Queries: %w", err)
	}
	fields, err := newFieldManager(scheme)
	if err != nil {
		return nil, err
	}
	serializer := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{})
	return &codec{transformer: transformer, serializer: serializer, fields: fields}, nil
}

// decode reads what stands at a key.
func (c *codec) decode(ctx context.Context, key string, rv int64, body []byte) (*stored, error) {
	data, _, err := c.transformer.TransformFromStorage(ctx, body, value.DefaultContext(storagePrefix+key))
	if err != nil {
		return nil, fmt.Errorf("transform Query %s at revision %d: %w", key, rv, err)
	}
	q := &arkv1alpha1.Query{}
	if _, _, err := c.serializer.Decode(data, nil, q); err != nil {
		return nil, fmt.Errorf("decode Query %s at revision %d: %w", key, rv, err)
	}
	return &stored{rv: rv, data: data, query: q}, nil
}

// encode makes the data of updated, which differs from what is stored in its
// status. A Query that this binary knows fully is encoded as the API server does
// it; one that a newer binary wrote keeps the fields that are not known here.
func (c *codec) encode(now *stored, updated *arkv1alpha1.Query) ([]byte, error) {
	object, err := c.fields.Update(now.query, updated, fieldManagerName)
	if err != nil {
		return nil, fmt.Errorf("update managed fields: %w", err)
	}
	updated, ok := object.(*arkv1alpha1.Query)
	if !ok {
		return nil, fmt.Errorf("update managed fields: got a %T", object)
	}
	known, err := c.marshal(now.query)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(bytes.TrimSpace(known), bytes.TrimSpace(now.data)) {
		return splice(now.data, now.query, updated)
	}
	return c.marshal(updated)
}

func (c *codec) marshal(q *arkv1alpha1.Query) ([]byte, error) {
	data, err := runtime.Encode(c.serializer, q)
	if err != nil {
		return nil, fmt.Errorf("encode Query: %w", err)
	}
	return data, nil
}

// seal transforms data into the body that is stored at a key.
func (c *codec) seal(ctx context.Context, key string, data []byte) ([]byte, error) {
	body, err := c.transformer.TransformToStorage(ctx, data, value.DefaultContext(storagePrefix+key))
	if err != nil {
		return nil, fmt.Errorf("transform Query %s for storage: %w", key, err)
	}
	return body, nil
}
