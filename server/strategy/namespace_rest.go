package strategy

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/clock"
)

// registry is what the API may do with namespaces directly. There is no deletion
// of collections: each namespace has to be emptied.
type registry interface {
	rest.StorageWithReadiness
	rest.Scoper
	rest.SingularNameProvider
	rest.Getter
	rest.Lister
	rest.Watcher
	rest.CreaterUpdater
	rest.ResetFieldsStrategy
}

// NamespaceREST is the registry of namespaces. Deleting one makes it Terminating;
// it is removed by Remove, once somebody has emptied it.
type NamespaceREST struct {
	registry
	store *genericregistry.Store
	clock clock.PassiveClock
}

var (
	_ rest.GracefulDeleter    = (*NamespaceREST)(nil)
	_ rest.ShortNamesProvider = (*NamespaceREST)(nil)
)

func newNamespaceREST(store *genericregistry.Store, o Options) rest.Storage {
	// An update of a Terminating namespace, of its labels say, does not remove it
	// either: there is something in it.
	store.ShouldDeleteDuringUpdate = func(context.Context, string, runtime.Object, runtime.Object) bool { return false }
	return &NamespaceREST{registry: store, store: store, clock: o.Clock}
}

// ShortNames of the resource.
func (r *NamespaceREST) ShortNames() []string { return []string{"ns"} }

// Delete makes a namespace Terminating: nothing can be created in it any more.
func (r *NamespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions,
) (runtime.Object, bool, error) {
	key, err := r.store.KeyFunc(ctx, name)
	if err != nil {
		return nil, false, err
	}
	preconditions := &storage.Preconditions{}
	if options.Preconditions != nil {
		preconditions.UID, preconditions.ResourceVersion = options.Preconditions.UID, options.Preconditions.ResourceVersion
	}
	out := &corev1.Namespace{}
	terminate := storage.SimpleUpdate(func(o runtime.Object) (runtime.Object, error) {
		return r.terminate(ctx, o, validate)
	})
	err = r.store.Storage.GuaranteedUpdate(ctx, key, out, false, preconditions, terminate, dryrun.IsDryRun(options.DryRun), nil)
	if err != nil {
		err = storeerr.InterpretUpdateError(err, r.store.DefaultQualifiedResource, name)
		return nil, false, storeerr.InterpretDeleteError(err, r.store.DefaultQualifiedResource, name)
	}
	return out, false, nil
}

func (r *NamespaceREST) terminate(ctx context.Context, o runtime.Object, validate rest.ValidateObjectFunc) (runtime.Object, error) {
	ns, ok := o.(*corev1.Namespace)
	if !ok {
		return nil, fmt.Errorf("delete a namespace: found %T", o)
	}
	if validate != nil {
		if err := validate(ctx, ns); err != nil {
			return nil, err
		}
	}
	if ns.DeletionTimestamp == nil {
		now, atOnce := metav1.NewTime(r.clock.Now()), int64(0)
		ns.DeletionTimestamp, ns.DeletionGracePeriodSeconds = &now, &atOnce
	}
	ns.Status.Phase = corev1.NamespaceTerminating
	return ns, nil
}

// Remove ends a namespace that is Terminating and has been emptied. Finalizers
// in its metadata keep it, as they keep any object.
func (r *NamespaceREST) Remove(ctx context.Context, name string, uid types.UID) error {
	_, _, err := r.store.Delete(ctx, name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	return err
}
