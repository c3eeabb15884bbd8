package storage

import (
	"context"
	"testing"

	storagetesting "k8s.io/apiserver/pkg/storage/testing"
)

var directReads = []suiteTest{
	plain("RunTestGet", storagetesting.RunTestGet),
	{"RunTestList", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestList(ctx, t, f, f.compact, false, nil)
	}},
	{"RunTestConsistentList", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestConsistentList(ctx, t, f, f.increaseRV, false, true, false)
	}},
	{"RunTestGetListNonRecursive", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestGetListNonRecursive(ctx, t, f.increaseRV, f)
	}},
	plain("RunTestGetListRecursivePrefix", storagetesting.RunTestGetListRecursivePrefix),
	{"RunTestGetListWithErrorAggregation", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, true)
		storagetesting.RunTestGetListWithErrorAggregation(ctx, t, transformerOverride{newFixture(t)}, errBitsFlipped)
	}},
	{"RunTestGetListWithoutErrorAggregation", func(ctx context.Context, t *testing.T) {
		unsafeDeletion(t, false)
		storagetesting.RunTestGetListWithoutErrorAggregation(ctx, t, transformerOverride{newFixture(t)}, errBitsFlipped)
	}},
	{"RunTestListContinuation", func(ctx context.Context, t *testing.T) {
		f, validate := newCountingFixture(t)
		storagetesting.RunTestListContinuation(ctx, t, f, validate)
	}},
	{"RunTestListPaginationRareObject", func(ctx context.Context, t *testing.T) {
		f, validate := newCountingFixture(t)
		storagetesting.RunTestListPaginationRareObject(ctx, t, f, validate)
	}},
	{"RunTestListContinuationWithFilter", func(ctx context.Context, t *testing.T) {
		f, validate := newCountingFixture(t)
		storagetesting.RunTestListContinuationWithFilter(ctx, t, f, validate)
	}},
	{"RunTestListInconsistentContinuation", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestListInconsistentContinuation(ctx, t, f, f.compact)
	}},
	{"RunTestListResourceVersionMatch", func(ctx context.Context, t *testing.T) {
		storagetesting.RunTestListResourceVersionMatch(ctx, t, prefixOverride{newFixture(t)})
	}},
	plain("RunTestListPaging", storagetesting.RunTestListPaging),
	plain("RunTestNamespaceScopedList", storagetesting.RunTestNamespaceScopedList),
	{"RunTestCompactRevision", func(ctx context.Context, t *testing.T) {
		f := newFixture(t)
		storagetesting.RunTestCompactRevision(ctx, t, f, f.increaseRV, f.compact)
	}},
}

// newCountingFixture returns a storage and a check of what a list of it reads:
// every object that is looked at once, and no page but of doubled size.
func newCountingFixture(t *testing.T) (*fixture, storagetesting.CallsValidation) {
	transformer := newPrefixTransformer()
	f := newFixture(t, withTransformer(transformer))
	return f, func(t *testing.T, pageSize, objects uint64) {
		t.Helper()
		if reads := transformer.GetReadsAndReset(); reads != objects {
			t.Errorf("%d objects were read, want %d", reads, objects)
		}
	}
}
