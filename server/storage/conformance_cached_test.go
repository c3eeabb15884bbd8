package storage

import (
	"context"
	"fmt"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/cache"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
)

// cachedFixture is the storage behind the watch cache of the generic API server.
type cachedFixture struct {
	*cacher.CacheDelegator
	raw *fixture
}

type cacheSetting func(*cacher.Config)

func newCachedFixture(t testing.TB, change []cacheSetting, settings ...setting) *cachedFixture {
	t.Helper()
	announceFeatures()
	settings = append([]setting{asRaw, withTransformer(identity.NewEncryptCheckTransformer())}, settings...)
	raw := newFixture(t, settings...)
	config := cacher.Config{
		Storage: raw, Versioner: storage.APIObjectVersioner{}, GroupResource: pods,
		EventsHistoryWindow: cacher.DefaultEventFreshDuration, ResourcePrefix: "/pods/",
		KeyFunc:      func(obj runtime.Object) (string, error) { return storage.NamespaceKeyFunc("/pods/", obj) },
		GetAttrsFunc: podAttrs, NewFunc: newPod, NewListFunc: newPodList, Codec: raw.codec,
		Indexers: &cache.Indexers{},
	}
	for _, c := range change {
		c(&config)
	}
	c, err := cacher.NewCacherFromConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	delegator := cacher.NewCacheDelegator(c, raw)
	t.Cleanup(delegator.Stop)
	if err := c.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return &cachedFixture{CacheDelegator: delegator, raw: raw}
}

func podAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	pod, ok := obj.(*example.Pod)
	if !ok {
		return nil, nil, fmt.Errorf("%T is not a pod", obj)
	}
	return pod.Labels, fields.Set{
		"metadata.name":      pod.Name,
		"metadata.namespace": pod.Namespace,
		"spec.nodeName":      pod.Spec.NodeName,
		"spec.restartPolicy": string(pod.Spec.RestartPolicy),
		"status.phase":       string(pod.Status.Phase),
	}, nil
}

func withoutNamespaces(c *cacher.Config) {
	c.KeyFunc = func(obj runtime.Object) (string, error) { return storage.NoNamespaceKeyFunc("/pods/", obj) }
}

func withIndexes(c *cacher.Config) {
	c.IndexerFuncs = storage.IndexerFuncs{
		"spec.nodeName": func(obj runtime.Object) string { return obj.(*example.Pod).Spec.NodeName },
	}
	c.Indexers = &cache.Indexers{
		"f:spec.nodeName":      func(obj any) ([]string, error) { return []string{obj.(*example.Pod).Spec.NodeName}, nil },
		"f:metadata.namespace": func(obj any) ([]string, error) { return []string{obj.(*example.Pod).Namespace}, nil },
	}
}

// seen is a storage whose creations return when the watch cache has seen them, as
// the suite's tests of watches through a cache count on.
type seen struct{ *cachedFixture }

func (s seen) Create(ctx context.Context, name string, obj, out runtime.Object, ttl uint64) error {
	if err := s.cachedFixture.Create(ctx, name, obj, out, ttl); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, wait.ForeverTestTimeout, true, func(ctx context.Context) (bool, error) {
		cached := newPod()
		err := s.Get(ctx, name, storage.GetOptions{ResourceVersion: "0"}, cached)
		if storage.IsNotFound(err) {
			return false, nil
		}
		return err == nil && apiequality.Semantic.DeepEqual(cached, out), err
	})
}

// cached wraps the tests that want nothing but a storage.
func cached(name string, run func(context.Context, *testing.T, storage.Interface), change ...cacheSetting) suiteTest {
	return suiteTest{name, func(ctx context.Context, t *testing.T) {
		if !alone[name] {
			t.Parallel()
		}
		run(ctx, t, newCachedFixture(t, change))
	}}
}

// cachedSeen wraps those that want to find in the cache what they created.
func cachedSeen(name string, run func(context.Context, *testing.T, storage.Interface)) suiteTest {
	return suiteTest{name, func(ctx context.Context, t *testing.T) { run(ctx, t, seen{newCachedFixture(t, nil)}) }}
}

// TestConformanceCached runs the tests of Kubernetes' storage suite that can be
// run from outside through the watch cache, which then stands on this storage.
func TestConformanceCached(t *testing.T) {
	for _, group := range [][]suiteTest{cachedWrites, cachedReads, cachedWatches} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) { test.run(t.Context(), t) })
		}
	}
}

var cachedWrites = []suiteTest{
	{"RunTestCreate", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestCreate(ctx, t, newCachedFixture(t, nil), func(context.Context, *testing.T, string) {})
	}},
	cached("RunTestCreateWithTTL", storagetesting.RunTestCreateWithTTL),
	cached("RunTestCreateWithKeyExist", storagetesting.RunTestCreateWithKeyExist),
	cached("RunTestUnconditionalDelete", storagetesting.RunTestUnconditionalDelete),
	cached("RunTestConditionalDelete", storagetesting.RunTestConditionalDelete),
	cached("RunTestDeleteWithSuggestion", storagetesting.RunTestDeleteWithSuggestion),
	cached("RunTestDeleteWithSuggestionAndConflict", storagetesting.RunTestDeleteWithSuggestionAndConflict),
	cached("RunTestDeleteWithConflict", storagetesting.RunTestDeleteWithConflict),
	cached("RunTestDeleteWithSuggestionOfDeletedObject", storagetesting.RunTestDeleteWithSuggestionOfDeletedObject),
	cached("RunTestValidateDeletionWithSuggestion", storagetesting.RunTestValidateDeletionWithSuggestion),
	cached("RunTestValidateDeletionWithOnlySuggestionValid", storagetesting.RunTestValidateDeletionWithOnlySuggestionValid),
	cached("RunTestPreconditionalDeleteWithSuggestion", storagetesting.RunTestPreconditionalDeleteWithSuggestion),
	cached("RunTestPreconditionalDeleteWithOnlySuggestionPass", storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass),
	{"RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		transformer := &failingTransformer{Transformer: identity.NewEncryptCheckTransformer()}
		storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t,
			newCachedFixture(t, nil, withTransformer(transformer)), transformer.fail.Store)
	}},
	{"RunTestDeleteExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		t.Run("transform", func(t *testing.T) {
			transformer := &failingTransformer{Transformer: identity.NewEncryptCheckTransformer()}
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t,
				newCachedFixture(t, nil, withTransformer(transformer)), transformer.fail.Store)
		})
		t.Run("decode", func(t *testing.T) {
			codec := newFailingCodec()
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t,
				newCachedFixture(t, nil, withCodec(codec)), codec.fail.Store)
		})
	}},
	{"RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, newCachedFixture(t, nil))
	}},
	cached("RunTestGuaranteedUpdateWithTTL", storagetesting.RunTestGuaranteedUpdateWithTTL),
	cached("RunTestGuaranteedUpdateWithConflict", storagetesting.RunTestGuaranteedUpdateWithConflict),
	cached("RunTestGuaranteedUpdateWithSuggestionAndConflict", storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict),
	cached("RunTestKeySchema", storagetesting.RunTestKeySchema),
	{"RunTestStats", func(ctx context.Context, t *testing.T) {
		for name, sizes := range map[string]bool{"sizes": true, "no sizes": false} {
			t.Run(name, func(t *testing.T) {
				featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.SizeBasedListCostEstimate, sizes)
				f := newCachedFixture(t, nil)
				storagetesting.RunTestStats(ctx, t, f, f.raw.codec, *f.raw.transformer.Load(), sizes)
			})
		}
	}},
}

var cachedReads = []suiteTest{
	cached("RunTestGet", storagetesting.RunTestGet),
	{"RunTestConsistentList", func(ctx context.Context, t *testing.T) {
		for name, snapshots := range map[string]bool{"snapshots": true, "no snapshots": false} {
			t.Run(name, func(t *testing.T) {
				featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.ListFromCacheSnapshot, snapshots)
				f := newCachedFixture(t, nil, quiet)
				storagetesting.RunTestConsistentList(ctx, t, f, f.raw.increaseRV, true, true, snapshots)
			})
		}
	}},
	{"RunTestGetListNonRecursive", func(ctx context.Context, t *testing.T) {
		f := newCachedFixture(t, nil, quiet)
		storagetesting.RunTestGetListNonRecursive(ctx, t, f.raw.increaseRV, f)
	}},
	cached("RunTestGetListRecursivePrefix", storagetesting.RunTestGetListRecursivePrefix),
	{"RunTestListContinuation", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestListContinuation(ctx, t, newCachedFixture(t, nil), func(*testing.T, uint64, uint64) {})
	}},
	{"RunTestListPaginationRareObject", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestListPaginationRareObject(ctx, t, newCachedFixture(t, nil), func(*testing.T, uint64, uint64) {})
	}},
	{"RunTestListContinuationWithFilter", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestListContinuationWithFilter(ctx, t, newCachedFixture(t, nil), func(*testing.T, uint64, uint64) {})
	}},
	cached("RunTestListPaging", storagetesting.RunTestListPaging),
	cached("RunTestNamespaceScopedList", storagetesting.RunTestNamespaceScopedList, withIndexes),
}

// quiet keeps the storage from telling its progress unasked: these tests compute
// with what a cache that nobody waits for does not know yet.
func quiet(s *settings) { s.options.ProgressInterval = time.Hour }

var cachedWatches = []suiteTest{
	cached("RunTestWatch", storagetesting.RunTestWatch),
	cached("RunTestClusterScopedWatch", storagetesting.RunTestClusterScopedWatch, withoutNamespaces, withIndexes),
	cached("RunTestNamespaceScopedWatch", storagetesting.RunTestNamespaceScopedWatch, withIndexes),
	{"RunTestWatchFromZero", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestWatchFromZero(ctx, t, newCachedFixture(t, nil), nil)
	}},
	cached("RunTestDeleteTriggerWatch", storagetesting.RunTestDeleteTriggerWatch),
	cached("RunTestWatchFromNonZero", storagetesting.RunTestWatchFromNonZero),
	cached("RunTestDelayedWatchDelivery", storagetesting.RunTestDelayedWatchDelivery),
	cached("RunTestWatcherTimeout", storagetesting.RunTestWatcherTimeout),
	cached("RunTestWatchDeleteEventObjectHaveLatestRV", storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV),
	cached("RunTestWatchInitializationSignal", storagetesting.RunTestWatchInitializationSignal),
	{"RunTestWatchDispatchBookmarkEvents", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, newCachedFixture(t, nil), true)
	}},
	cached("RunTestOptionalWatchBookmarksWithCorrectResourceVersion", storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion),
	cached("RunSendInitialEventsBackwardCompatibility", storagetesting.RunSendInitialEventsBackwardCompatibility),
	cachedSeen("RunWatchSemantics", storagetesting.RunWatchSemantics),
	cachedSeen("RunWatchSemanticInitialEventsExtended", storagetesting.RunWatchSemanticInitialEventsExtended),
	cachedSeen("RunWatchListMatchSingle", storagetesting.RunWatchListMatchSingle),
}
