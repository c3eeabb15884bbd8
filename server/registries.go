package server

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"

	"mckinsey.com/ark/server/strategy"
)

// registries are the kinds that this server serves, by resource. Admission reads
// through them, without a detour over the network.
type registries map[schema.GroupResource]*strategy.Served

func (r registries) add(served *strategy.Served) {
	r[served.GroupVersion().WithResource(served.Resource()).GroupResource()] = served
}

// Get reads an object; the watch cache's answer will do if live is false.
func (r registries) Get(ctx context.Context, resource schema.GroupResource, namespace, name string, live bool) (runtime.Object, error) {
	served, ok := r[resource]
	if !ok {
		return nil, fmt.Errorf("%s is not served here", resource)
	}
	options := &metav1.GetOptions{}
	if !live {
		options.ResourceVersion = "0"
	}
	return served.Store.Get(request.WithNamespace(ctx, namespace), name, options)
}

// Exists tells whether there is such an object. The watch cache may not know yet
// of one that was created a moment ago, hence the second look.
func (r registries) Exists(ctx context.Context, resource schema.GroupResource, namespace, name string) (bool, error) {
	for _, live := range []bool{false, true} {
		_, err := r.Get(ctx, resource, namespace, name, live)
		if err == nil {
			return true, nil
		}
		if live && !apierrors.IsNotFound(err) {
			return false, err
		}
	}
	return false, nil
}
