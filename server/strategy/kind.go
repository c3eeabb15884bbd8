// Package strategy says how each kind is served: one file a kind, over one
// machinery that follows the rules of Kubernetes (generation, status apart from
// the rest, field ownership, tables).
package strategy

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	arkschema "mckinsey.com/ark/internal/schema"
	"mckinsey.com/ark/server/table"
)

// Options of all kinds.
type Options struct {
	// Typer tells the kind of a Go type: the server's scheme.
	Typer runtime.ObjectTyper
	// Clock for conditions and ages.
	Clock clock.PassiveClock
	// Categories of the Ark kinds beside "ark".
	Categories []string
	// GarbageCollected says that something collects the dependents of deleted
	// objects. Without it, orphan and foreground deletion would wait for ever, so
	// they are treated as background deletion.
	GarbageCollected bool
}

// Kind is a kind that the server can serve.
type Kind interface {
	// GroupVersion in which it is served.
	GroupVersion() schema.GroupVersion
	// Resource is the plural name.
	Resource() string
	// Namespaced says whether its objects are in namespaces.
	Namespaced() bool
	// Rules are what it asks of its objects.
	Rules() Rules
	// Serve makes its storage.
	Serve(getter generic.RESTOptionsGetter, o Options) (*Served, error)
}

// Served is a kind with its storage.
type Served struct {
	Kind
	// Store is the registry of the objects.
	Store *genericregistry.Store
	// Storage by path below the group version: "queries", "queries/status".
	Storage map[string]rest.Storage
}

// kind describes a kind by what differs between kinds.
type kind[T table.Object] struct {
	groupVersion       schema.GroupVersion
	resource, singular string
	shortNames         []string
	clusterScoped      bool
	// builtIn kinds may be updated without a resourceVersion, custom ones not.
	builtIn bool
	// newObject makes an empty object, newList an empty list.
	newObject func() T
	newList   func() runtime.Object
	// spec is what metadata.generation counts the changes of; nil: there is none.
	spec func(T) any
	// copySpec and copyStatus take over a part of another object; nil: the kind
	// has no status.
	copySpec, copyStatus func(to, from T)
	// born sets the first status; nil: it is empty.
	born func(obj T)
	// prepare migrates deprecated fields and makes equal things look equal; old is
	// nil at creation (a typed nil). It leaves the status alone. May be nil.
	prepare func(obj, old T)
	// settle brings the status in step with what was written; may be nil.
	settle func(obj T, now metav1.Time)
	// schema is what the kind's CustomResourceDefinition says; nil: it has none. It is
	// asked first.
	schema *arkschema.Schema
	// validate checks the object, validateUpdate the change, validateStatus a change
	// of the status; may be nil.
	validate       func(T) field.ErrorList
	validateUpdate func(obj, old T) field.ErrorList
	validateStatus func(obj, old T) field.ErrorList
	// warnings for whoever wrote the object, and forgotten for whoever creates it
	// with a status, which it will not have; may be nil.
	warnings, forgotten func(T) []string
	// fields that selectors may ask for beside name and namespace; may be nil.
	fields func(T) fields.Set
	// ttl in seconds that storage keeps an object; nil: for ever.
	ttl     func(obj runtime.Object, existing uint64, update bool) (uint64, error)
	columns []table.Column[T]
	// serve makes the storage of a kind that is not served as all others; may be nil.
	serve func(s *genericregistry.Store, o Options) rest.Storage
}

func (k *kind[T]) GroupVersion() schema.GroupVersion { return k.groupVersion }
func (k *kind[T]) Resource() string                  { return k.resource }
func (k *kind[T]) Namespaced() bool                  { return !k.clusterScoped }

func (k *kind[T]) groupResource() schema.GroupResource {
	return k.groupVersion.WithResource(k.resource).GroupResource()
}

// attributes are what selectors see of an object.
func (k *kind[T]) attributes(o runtime.Object) (labels.Set, fields.Set, error) {
	obj, ok := o.(T)
	if !ok {
		return nil, nil, fmt.Errorf("select %s: %T is not of this kind", k.resource, o)
	}
	set := fields.Set{"metadata.name": obj.GetName()}
	if !k.clusterScoped {
		set["metadata.namespace"] = obj.GetNamespace()
	}
	if k.fields != nil {
		for name, value := range k.fields(obj) {
			set[name] = value
		}
	}
	return obj.GetLabels(), set, nil
}

// Serve makes the storage of the kind and of its status, over one registry.
func (k *kind[T]) Serve(getter generic.RESTOptionsGetter, o Options) (*Served, error) {
	if err := k.compile(); err != nil {
		return nil, err
	}
	store := k.registry(o)
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: k.attributes}); err != nil {
		return nil, fmt.Errorf("make the registry of %s: %w", k.resource, err)
	}
	served := &Served{Kind: k, Store: store, Storage: map[string]rest.Storage{k.resource: k.storage(store, o)}}
	if k.copyStatus != nil {
		status := *store
		status.UpdateStrategy, status.ResetFieldsStrategy = k.statusStrategy(o), k.statusStrategy(o)
		served.Storage[k.resource+"/status"] = &statusREST{store: &status}
	}
	return served, nil
}

func (k *kind[T]) registry(o Options) *genericregistry.Store {
	main := k.strategy(o)
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return k.newObject() },
		NewListFunc:               k.newList,
		DefaultQualifiedResource:  k.groupResource(),
		SingularQualifiedResource: k.groupVersion.WithResource(k.singular).GroupResource(),
		CreateStrategy:            main,
		UpdateStrategy:            main,
		DeleteStrategy:            main,
		ResetFieldsStrategy:       main,
		TTLFunc:                   k.ttl,
		TableConvertor:            table.NewConvertor(k.groupResource(), o.Clock, k.columns),
	}
	if !o.GarbageCollected {
		store.DeleteStrategy = uncollected{main}
	}
	return store
}

func (k *kind[T]) storage(store *genericregistry.Store, o Options) rest.Storage {
	if k.serve != nil {
		return k.serve(store, o)
	}
	var categories []string
	if !k.builtIn {
		categories = append([]string{"ark"}, o.Categories...)
	}
	return &objectREST{Store: store, shortNames: k.shortNames, categories: categories}
}
