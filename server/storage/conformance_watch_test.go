package storage

import (
	"context"
	"testing"

	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
)

var directWatches = []suiteTest{
	plain("RunTestWatch", storagetesting.RunTestWatch),
	plain("RunTestClusterScopedWatch", storagetesting.RunTestClusterScopedWatch),
	plain("RunTestNamespaceScopedWatch", storagetesting.RunTestNamespaceScopedWatch),
	{"RunTestWatchFromZero", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestWatchFromZero(ctx, t, f, f.compact)
	}},
	plain("RunTestDeleteTriggerWatch", storagetesting.RunTestDeleteTriggerWatch),
	plain("RunTestWatchFromNonZero", storagetesting.RunTestWatchFromNonZero),
	plain("RunTestDelayedWatchDelivery", storagetesting.RunTestDelayedWatchDelivery),
	{"RunTestWatchError", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestWatchError(ctx, t, prefixOverride{newFixture(t)})
	}},
	{"RunTestWatchWithUnsafeDelete", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		storagetesting.RunTestWatchWithUnsafeDelete(ctx, t, transformerOverride{newFixture(t)}, errBitsFlipped)
	}},
	plain("RunTestWatchContextCancel", storagetesting.RunTestWatchContextCancel),
	plain("RunTestWatcherTimeout", storagetesting.RunTestWatcherTimeout),
	plain("RunTestWatchDeleteEventObjectHaveLatestRV", storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV),
	plain("RunTestWatchInitializationSignal", storagetesting.RunTestWatchInitializationSignal),
	{"RunOptionalTestProgressNotify", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunOptionalTestProgressNotify(ctx, t, f, f.increaseRV)
	}},
	{"RunTestWatchDispatchBookmarkEvents", func(ctx context.Context, t *testing.T) {
		for name, direct := range map[string]bool{"direct": true, "below a cache": false} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t, func(s *settings) { s.Direct = direct })
				storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, f, direct)
			})
		}
	}},
	plain("RunTestOptionalWatchBookmarksWithCorrectResourceVersion", storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion),
	plain("RunSendInitialEventsBackwardCompatibility", storagetesting.RunSendInitialEventsBackwardCompatibility),
	plain("RunWatchSemantics", storagetesting.RunWatchSemantics),
	plain("RunWatchSemanticInitialEventsExtended", storagetesting.RunWatchSemanticInitialEventsExtended),
	plain("RunWatchListMatchSingle", storagetesting.RunWatchListMatchSingle),
	{"RunWatchErrorIsBlockingFurtherEvents", func(ctx context.Context, t *testing.T) {
		storagetesting.RunWatchErrorIsBlockingFurtherEvents(ctx, t, prefixOverride{newFixture(t)})
	}},
}

var _ storage.Interface = (*Storage)(nil)
