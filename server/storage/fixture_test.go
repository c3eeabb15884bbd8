package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

const testPrefix = "test!"

var (
	testScheme = runtime.NewScheme()
	testCodecs = serializer.NewCodecFactory(testScheme)
	pods       = schema.GroupResource{Resource: "pods"}
)

func init() {
	metav1.AddToGroupVersion(testScheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(testScheme))
	utilruntime.Must(examplev1.AddToScheme(testScheme))
}

func newPod() runtime.Object     { return &example.Pod{} }
func newPodList() runtime.Object { return &example.PodList{} }

// patience is how long a test waits for what must happen. It decides nothing.
const patience = 60 * time.Second

// fixture is a storage of pods over a database of its own.
type fixture struct {
	*Storage
	pool  *pgxpool.Pool
	store *store.Store

	increased atomic.Int64
}

type settings struct {
	Config
	options store.Options
}

type setting func(*settings)

func withCodec(c runtime.Codec) setting           { return func(s *settings) { s.Codec = c } }
func withTransformer(t value.Transformer) setting { return func(s *settings) { s.Transformer = t } }
func asRaw(s *settings)                           { s.Direct = false }

func newFixture(t testing.TB, change ...setting) *fixture {
	t.Helper()
	f := newFixtureOver(t, pgtest.DB(t), change...)
	awaitReader(t, f.store)
	return f
}

func newFixtureOver(t testing.TB, pool *pgxpool.Pool, change ...setting) *fixture {
	t.Helper()
	s := settings{
		Config:  podConfig(),
		options: store.Options{Retention: -1, ProgressInterval: time.Second, PollInterval: 200 * time.Millisecond},
	}
	for _, c := range change {
		c(&s)
	}
	s.Store = store.Open(context.Background(), pool, s.options)
	t.Cleanup(s.Store.Close)
	raw, err := New(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Storage: raw, pool: pool, store: s.Store}
}

// awaitReader waits until the process reads events: what is written before that is
// not shared between watches, each reads it from the table.
func awaitReader(t testing.TB, s *store.Store) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return s.Position() > 0, nil })
	if err != nil {
		t.Fatalf("events are not read: %v", err)
	}
}

func podConfig() Config {
	return Config{
		GroupResource: pods, ResourcePrefix: "/pods/", Direct: true,
		Codec:   apitesting.TestCodec(testCodecs, examplev1.SchemeGroupVersion),
		NewFunc: newPod, NewListFunc: newPodList,
		Transformer: storagetesting.NewPrefixTransformer([]byte(testPrefix), false),
	}
}

// openPods opens a storage of pods outside of a test.
func openPods(ctx context.Context, pool *pgxpool.Pool) (s *Storage, closeStore func(), err error) {
	config := podConfig()
	config.Store = store.Open(ctx, pool, store.Options{})
	s, err = New(config)
	return s, config.Store.Close, err
}

// increaseRV writes an object of another resource.
func (f *fixture) increaseRV(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	rv, err := f.store.Write(ctx, store.Write{
		Resource: "others", Key: fmt.Sprintf("key-%d", f.increased.Add(1)), Body: []byte("{}")})
	if err != nil {
		t.Fatalf("increase revision: %v", err)
	}
	return rv
}

// compact does what a compaction of etcd does: it takes a revision, and makes
// those before the given one unreadable.
func (f *fixture) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	t.Helper()
	rv, err := f.versioner.ParseResourceVersion(resourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	f.increaseRV(ctx, t)
	if err := f.store.Compact(ctx, int64(rv)); err != nil {
		t.Fatal(err)
	}
}

// checkStored looks at the bytes in the database.
func (f *fixture) checkStored(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	k, err := f.key(name, false)
	if err != nil {
		t.Fatal(err)
	}
	object, _, err := f.store.Get(ctx, f.resource, k.relative)
	if err != nil || object.RV == 0 {
		t.Fatalf("nothing is stored at %s: %v", name, err)
	}
	data, found := bytes.CutPrefix(object.Body, []byte(testPrefix))
	if !found {
		t.Fatalf("what is stored at %s was not transformed: %s", name, object.Body)
	}
	decoded, err := runtime.Decode(f.codec, data)
	if err != nil {
		t.Fatalf("decode what is stored at %s: %v", name, err)
	}
	pod := decoded.(*example.Pod)
	if pod.ResourceVersion != "" || pod.SelfLink != "" {
		t.Errorf("what is stored at %s has resourceVersion %q, selfLink %q", name, pod.ResourceVersion, pod.SelfLink)
	}
}

// swap replaces the transformer of open and future watches too.
func (f *fixture) swap(next value.Transformer) (revert func()) {
	before := f.transformer.Swap(&next)
	return func() { f.transformer.Store(before) }
}

// prefixOverride lets the suite replace the transformer that the fixture has.
type prefixOverride struct{ *fixture }

func (o prefixOverride) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	transformer := *(*o.transformer.Load()).(*storagetesting.PrefixTransformer)
	return o.swap(modify(&transformer))
}

// transformerOverride lets the suite replace any transformer.
type transformerOverride struct{ *fixture }

func (o transformerOverride) UpdateTransformer(modify storagetesting.TransformerModifier) func() {
	return o.swap(modify(*o.transformer.Load()))
}

var errSynthetic = errors.New("synthetic error")

// failingTransformer fails while it is told to.
type failingTransformer struct {
	value.Transformer
	fail atomic.Bool
}

func (f *failingTransformer) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	if f.fail.Load() {
		return nil, false, errSynthetic
	}
	return f.Transformer.TransformFromStorage(ctx, data, dataCtx)
}

// failingCodec fails to decode while it is told to.
type failingCodec struct {
	runtime.Codec
	fail atomic.Bool
}

func (f *failingCodec) Decode(data []byte, gvk *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if f.fail.Load() {
		return nil, nil, errSynthetic
	}
	return f.Codec.Decode(data, gvk, into)
}

var _ storage.Interface = (*fixture)(nil)
