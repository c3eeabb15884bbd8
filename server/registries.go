package server

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"

	"mckinsey.com/ark/api/v1alpha1"
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

// ArkConfig reads the one ArkConfig; nil: there is none. The watch cache's answer
// will do: most Queries are created without one, and should not pay for a read.
func (r registries) ArkConfig(ctx context.Context) (*v1alpha1.ArkConfig, error) {
	resource := v1alpha1.Resource("arkconfigs")
	obj, err := r.Get(ctx, resource, "", v1alpha1.DefaultName, false)
	if err != nil && !apierrors.IsNotFound(err) {
		obj, err = r.Get(ctx, resource, "", v1alpha1.DefaultName, true)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	config, ok := obj.(*v1alpha1.ArkConfig)
	if !ok {
		return nil, fmt.Errorf("found %T", obj)
	}
	return config, nil
}
