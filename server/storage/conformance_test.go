package storage

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
)

// suiteTest is one test of Kubernetes' storage suite.
type suiteTest struct {
	name string
	run  func(ctx context.Context, t *testing.T)
}

// alone are the tests beside which nothing may run: they switch features of the
// whole process, or have parallel parts that must end before a ttl does.
var alone = map[string]bool{
	"RunTestGet":                            true,
	"RunWatchSemantics":                     true,
	"RunWatchSemanticInitialEventsExtended": true,
	"RunWatchListMatchSingle":               true,
}

// plain wraps the tests that want nothing but a storage.
func plain(name string, run func(context.Context, *testing.T, storage.Interface)) suiteTest {
	return suiteTest{name, func(ctx context.Context, t *testing.T) {
		if !alone[name] {
			t.Parallel()
		}
		run(ctx, t, newFixture(t))
	}}
}

// TestConformanceDirect runs every test of Kubernetes' storage suite against the
// storage as it serves API requests by itself.
func TestConformanceDirect(t *testing.T) {
	for _, group := range [][]suiteTest{directWrites, directReads, directWatches} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) { test.run(t.Context(), t) })
		}
	}
}

func unsafeDeletion(t *testing.T, enabled bool) {
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AllowUnsafeMalformedObjectDeletion, enabled)
}

func newPrefixTransformer() *storagetesting.PrefixTransformer {
	return storagetesting.NewPrefixTransformer([]byte(testPrefix), false)
}

func newFailingCodec() *failingCodec {
	return &failingCodec{Codec: apitesting.TestCodec(testCodecs, examplev1.SchemeGroupVersion)}
}

var errBitsFlipped = &corruptError{what: "data from the storage is not transformable", err: errors.New("bits flipped")}

var directWrites = []suiteTest{
	{"RunTestCreate", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestCreate(ctx, t, f, f.checkStored)
	}},
	plain("RunTestCreateWithTTL", storagetesting.RunTestCreateWithTTL),
	plain("RunTestCreateWithKeyExist", storagetesting.RunTestCreateWithKeyExist),
	plain("RunTestUnconditionalDelete", storagetesting.RunTestUnconditionalDelete),
	plain("RunTestConditionalDelete", storagetesting.RunTestConditionalDelete),
	plain("RunTestDeleteWithSuggestion", storagetesting.RunTestDeleteWithSuggestion),
	plain("RunTestDeleteWithSuggestionAndConflict", storagetesting.RunTestDeleteWithSuggestionAndConflict),
	plain("RunTestDeleteWithConflict", storagetesting.RunTestDeleteWithConflict),
	plain("RunTestDeleteWithSuggestionOfDeletedObject", storagetesting.RunTestDeleteWithSuggestionOfDeletedObject),
	plain("RunTestValidateDeletionWithSuggestion", storagetesting.RunTestValidateDeletionWithSuggestion),
	plain("RunTestValidateDeletionWithOnlySuggestionValid", storagetesting.RunTestValidateDeletionWithOnlySuggestionValid),
	plain("RunTestPreconditionalDeleteWithSuggestion", storagetesting.RunTestPreconditionalDeleteWithSuggestion),
	plain("RunTestPreconditionalDeleteWithOnlySuggestionPass", storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass),
	{"RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		codec := newFailingCodec()
		storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t,
			newFixture(t, withCodec(codec)), codec.fail.Store)
	}},
	{"RunTestDeleteExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		t.Run("transform", func(t *testing.T) {
			transformer := &failingTransformer{Transformer: newPrefixTransformer()}
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t,
				newFixture(t, withTransformer(transformer)), transformer.fail.Store)
		})
		t.Run("decode", func(t *testing.T) {
			codec := newFailingCodec()
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t,
				newFixture(t, withCodec(codec)), codec.fail.Store)
		})
	}},
	{"RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, newFixture(t))
	}},
	{"RunTestGuaranteedUpdate", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestGuaranteedUpdate(ctx, t, prefixOverride{f}, f.checkStored)
	}},
	plain("RunTestGuaranteedUpdateWithTTL", storagetesting.RunTestGuaranteedUpdateWithTTL),
	{"RunTestGuaranteedUpdateChecksStoredData", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestGuaranteedUpdateChecksStoredData(ctx, t, prefixOverride{newFixture(t)})
	}},
	plain("RunTestGuaranteedUpdateWithConflict", storagetesting.RunTestGuaranteedUpdateWithConflict),
	plain("RunTestGuaranteedUpdateWithSuggestionAndConflict", storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict),
	{"RunTestTransformationFailure", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestTransformationFailure(ctx, t, prefixOverride{newFixture(t)})
	}},
	plain("RunTestKeySchema", storagetesting.RunTestKeySchema),
	{"RunTestStats", func(ctx context.Context, t *testing.T) {
		for name, sizes := range map[string]bool{"sizes": true, "no sizes": false} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t)
				if sizes {
					keys := func(context.Context) ([]string, error) { return nil, nil }
					if err := f.EnableResourceSizeEstimation(keys); err != nil {
						t.Fatal(err)
					}
				}
				storagetesting.RunTestStats(ctx, t, f, f.codec, *f.transformer.Load(), sizes)
			})
		}
	}},
}
