package schema

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// unstructured gives an object as the cluster's API server sees it when a user
// writes it there.
func (s *Schema) unstructured(obj Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(unmanaged(obj))
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", s.gvk.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(s.gvk)
	s.given.keep(content)
	return u, nil
}

// unmanaged is an object without its managedFields, which are long, no business of
// the schema, and checked by the registry. The object itself is left as it is:
// others may be reading it.
func unmanaged(obj Object) Object {
	if len(obj.GetManagedFields()) == 0 {
		return obj
	}
	from := reflect.ValueOf(obj).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	bare := to.Interface().(Object)
	bare.SetManagedFields(nil)
	return bare
}
