package storage

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	flowcontrolrequest "k8s.io/apiserver/pkg/util/flowcontrol/request"
	"k8s.io/client-go/tools/cache"

	"mckinsey.com/ark/internal/store"
)

// Mode is how API requests for a resource are served.
type Mode string

const (
	// Cached is from the watch cache of the generic API server, which holds all
	// objects in memory. Right for configuration.
	Cached Mode = "cached"
	// Direct is from the database, and from the process's one reader of events.
	// Right for what accumulates: objects at rest take no memory.
	Direct Mode = "direct"
)

// DefaultMode returns how a resource is served unless it is said otherwise.
func DefaultMode(gr schema.GroupResource) Mode {
	switch gr {
	case schema.GroupResource{Group: "ark.mckinsey.com", Resource: "queries"},
		schema.GroupResource{Group: "ark.mckinsey.com", Resource: "a2atasks"},
		schema.GroupResource{Resource: "events"}:
		return Direct
	}
	return Cached
}

// Times of the generic registry.
const (
	countMetricPollPeriod = time.Minute
	eventsHistoryWindow   = storagebackend.DefaultEventsHistoryWindow
)

const deleteCollectionWorkers = 4

// Options of a RESTOptionsGetter.
type Options struct {
	Store *store.Store
	// Codec turns objects into what is stored, and back.
	Codec runtime.Codec
	// Modes of resources that are not served as DefaultMode says.
	Modes map[schema.GroupResource]Mode
	// Hooks of resources whose writes do more than store the object.
	Hooks map[schema.GroupResource]WriteHook
	// Transformers of resources that are encrypted at rest.
	Transformers map[schema.GroupResource]value.Transformer
	// ObjectCounts learns the number of objects of each resource; nil: nobody does.
	ObjectCounts flowcontrolrequest.StorageObjectCountTracker
}

// RESTOptionsGetter gives the generic registry its storage in PostgreSQL, in
// place of the one in etcd.
type RESTOptionsGetter struct {
	options Options
}

var _ generic.RESTOptionsGetter = (*RESTOptionsGetter)(nil)

// NewRESTOptionsGetter makes a getter for all resources of a server.
func NewRESTOptionsGetter(o Options) (*RESTOptionsGetter, error) {
	if o.Store == nil || o.Codec == nil {
		return nil, errors.New("storage needs a store and a codec")
	}
	for gr, mode := range o.Modes {
		if mode != Cached && mode != Direct {
			return nil, fmt.Errorf("mode %q of %s is neither %s nor %s", mode, gr, Cached, Direct)
		}
	}
	announceFeatures()
	return &RESTOptionsGetter{options: o}, nil
}

// GetRESTOptions returns how the generic registry is to store a resource.
func (g *RESTOptionsGetter) GetRESTOptions(gr schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	config := &storagebackend.ConfigForResource{
		GroupResource: gr,
		Config: storagebackend.Config{
			Codec:                     g.options.Codec,
			Transformer:               g.options.Transformers[gr],
			EventsHistoryWindow:       eventsHistoryWindow,
			CountMetricPollPeriod:     countMetricPollPeriod,
			StorageObjectCountTracker: g.options.ObjectCounts,
		},
	}
	return generic.RESTOptions{
		StorageConfig:             config,
		Decorator:                 g.decorate,
		EnableGarbageCollection:   true,
		DeleteCollectionWorkers:   deleteCollectionWorkers,
		ResourcePrefix:            path.Join(gr.Group, gr.Resource),
		CountMetricPollPeriod:     countMetricPollPeriod,
		StorageObjectCountTracker: g.options.ObjectCounts,
	}, nil
}

// decorate makes the storage of a resource, with a watch cache in front if it is
// to have one.
func (g *RESTOptionsGetter) decorate(config *storagebackend.ConfigForResource, prefix string,
	keyFunc func(runtime.Object) (string, error), newFunc, newListFunc func() runtime.Object,
	attrs storage.AttrFunc, trigger storage.IndexerFuncs, indexers *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	gr := config.GroupResource
	mode, ok := g.options.Modes[gr]
	if !ok {
		mode = DefaultMode(gr)
	}
	raw, err := New(Config{
		Store: g.options.Store, GroupResource: gr, ResourcePrefix: prefix,
		Codec: config.Codec, Transformer: config.Transformer,
		NewFunc: newFunc, NewListFunc: newListFunc,
		Direct: mode == Direct, OnWrite: g.options.Hooks[gr],
		UnsafeDeletion: utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make storage of %s: %w", gr, err)
	}
	if mode == Direct {
		return raw, func() {}, nil
	}
	return withCache(raw, cacher.Config{
		Storage: raw, Versioner: storage.APIObjectVersioner{}, GroupResource: gr,
		EventsHistoryWindow: config.EventsHistoryWindow, ResourcePrefix: prefix,
		KeyFunc: keyFunc, GetAttrsFunc: attrs, IndexerFuncs: trigger, Indexers: indexers,
		NewFunc: newFunc, NewListFunc: newListFunc, Codec: config.Codec,
	})
}

// withCache puts the watch cache of the generic API server in front of a storage.
func withCache(raw storage.Interface, config cacher.Config) (storage.Interface, factory.DestroyFunc, error) {
	c, err := cacher.NewCacherFromConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("make watch cache of %s: %w", config.GroupResource, err)
	}
	delegator := cacher.NewCacheDelegator(c, raw)
	var once sync.Once // called once for each subresource
	return delegator, func() {
		once.Do(func() {
			delegator.Stop()
			c.Stop()
		})
	}, nil
}
