// Package storage is Kubernetes' storage.Interface over internal/store: objects
// are encoded, transformed and kept in PostgreSQL, with the guarantees that the
// generic API server and its watch cache count on.
package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/internal/store"
)

// WriteHook returns what the write that turns old into updated does beside the
// object itself; nil stands for an object that does not exist (or, as old with a
// nil updated, that cannot be decoded). It must not keep or change its arguments.
type WriteHook func(old, updated runtime.Object, now time.Time) *store.QueryChange

// Config of the storage of one resource.
type Config struct {
	Store         *store.Store
	GroupResource schema.GroupResource
	// ResourcePrefix begins all keys: /group/resource, with or without a slash at the end.
	ResourcePrefix string
	Codec          runtime.Codec
	// Transformer of the encoded bytes, as for encryption at rest; nil: none.
	Transformer          value.Transformer
	NewFunc, NewListFunc func() runtime.Object
	// Direct says that API requests are served from here, without a watch cache in
	// front: watches share objects that are encoded once, and get bookmarks.
	Direct bool
	// UnsafeDeletion has reads of objects that cannot be decoded say so, so that the
	// registry can offer to delete them unseen.
	UnsafeDeletion bool
	// OnWrite of the resource; nil: none.
	OnWrite WriteHook
	// Clock of storage ttls; nil: the real one.
	Clock clock.PassiveClock
}

// Storage implements storage.Interface for one resource.
type Storage struct {
	store          *store.Store
	gr             schema.GroupResource
	resource       string
	resourcePrefix string
	codec          runtime.Codec
	versioner      storage.APIObjectVersioner
	transformer    atomic.Pointer[value.Transformer]
	newFunc        func() runtime.Object
	newListFunc    func() runtime.Object
	direct         bool
	unsafeDeletion bool
	onWrite        WriteHook
	clock          clock.PassiveClock
	newAggregator  func() listErrors

	estimating atomic.Bool // sizes are to be estimated
	remaining  remainingCounts
}

var _ storage.Interface = (*Storage)(nil)

// New makes the storage of a resource.
func New(c Config) (*Storage, error) {
	if c.Store == nil || c.Codec == nil || c.NewFunc == nil || c.NewListFunc == nil {
		return nil, errors.New("storage needs a store, a codec and the types of its objects")
	}
	prefix := strings.TrimSuffix(c.ResourcePrefix, "/") + "/"
	if !strings.HasPrefix(prefix, "/") || prefix == "/" {
		return nil, fmt.Errorf("resource prefix %q of %s must begin with a slash and name the resource", c.ResourcePrefix, c.GroupResource)
	}
	s := &Storage{
		store: c.Store, gr: c.GroupResource, resource: c.GroupResource.String(), resourcePrefix: prefix,
		codec: c.Codec, newFunc: c.NewFunc, newListFunc: c.NewListFunc,
		direct: c.Direct, unsafeDeletion: c.UnsafeDeletion, onWrite: c.OnWrite, clock: c.Clock,
		newAggregator: newFirstError,
	}
	if s.clock == nil {
		s.clock = clock.RealClock{}
	}
	transformer := c.Transformer
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	s.transformer.Store(&transformer)
	if utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion) {
		s.newAggregator = newCorruptErrors
	}
	return s, nil
}

// Versioner returns how revisions are written into objects.
func (s *Storage) Versioner() storage.Versioner { return s.versioner }

// ReadinessCheck always succeeds: whether the database answers is the subject of
// a check of its own.
func (s *Storage) ReadinessCheck() error { return nil }

// RequestWatchProgress has watches with ProgressNotify sent a bookmark that is
// at least any revision that GetCurrentResourceVersion returned before.
func (s *Storage) RequestWatchProgress(context.Context) error {
	s.store.RequestProgress()
	return nil
}

// GetCurrentResourceVersion reads the newest revision from the database.
func (s *Storage) GetCurrentResourceVersion(ctx context.Context) (uint64, error) {
	rv, err := s.store.GetRevision(ctx)
	if err != nil {
		return 0, s.interpret(ctx, err)
	}
	return uint64(rv), nil
}

// CompactRevision returns the compaction floor; 0: nothing was compacted yet.
func (s *Storage) CompactRevision() int64 { return s.store.CompactedRevision() }
