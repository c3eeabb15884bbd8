package webhooks

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"mckinsey.com/ark/api/v1alpha1"
)

// lookup reads what the rules have to look up.
type lookup struct {
	Options
	empty map[schema.GroupResource]func() runtime.Object
}

// exists tells whether there is such an object. The cache may not know yet of one
// that was created a moment ago, hence the second look.
func (l *lookup) exists(ctx context.Context, resource schema.GroupResource, namespace, name string) (bool, error) {
	empty, ok := l.empty[resource]
	if !ok {
		return false, fmt.Errorf("%s is no kind of Ark", resource)
	}
	obj, ok := empty().(client.Object)
	if !ok {
		return false, fmt.Errorf("%s cannot be read by a client", resource)
	}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	err := l.Reader.Get(ctx, key, obj)
	if err != nil && l.Live != nil {
		err = l.Live.Get(ctx, key, obj)
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// arkConfig reads the one ArkConfig. The cache's answer will do, also that there is
// none: most Queries are created without one, and should not pay for a read.
func (l *lookup) arkConfig(ctx context.Context) (*v1alpha1.ArkConfig, error) {
	config, key := &v1alpha1.ArkConfig{}, client.ObjectKey{Name: v1alpha1.DefaultName}
	err := l.Reader.Get(ctx, key, config)
	if err != nil && !apierrors.IsNotFound(err) && l.Live != nil {
		err = l.Live.Get(ctx, key, config)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return config, nil
}
