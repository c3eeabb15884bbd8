package server

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// coreReader reads what objects refer to: from the cluster, or from this server if
// it stands for itself. It is no cache.
type coreReader struct{ client kubernetes.Interface }

var _ client.Reader = coreReader{}

// Get reads a Secret, ConfigMap or Service.
func (r coreReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	core, options := r.client.CoreV1(), metav1.GetOptions{}
	switch o := into.(type) {
	case *corev1.Secret:
		return take(o)(core.Secrets(key.Namespace).Get(ctx, key.Name, options))
	case *corev1.ConfigMap:
		return take(o)(core.ConfigMaps(key.Namespace).Get(ctx, key.Name, options))
	case *corev1.Service:
		return take(o)(core.Services(key.Namespace).Get(ctx, key.Name, options))
	}
	return fmt.Errorf("read %T: only Secrets, ConfigMaps and Services are read here", into)
}

// List is not needed: references name single objects.
func (r coreReader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	return fmt.Errorf("list %T: nothing is listed here", list)
}

// take puts what was read where it is wanted.
func take[T any](into *T) func(*T, error) error {
	return func(from *T, err error) error {
		if err == nil {
			*into = *from
		}
		return err
	}
}
