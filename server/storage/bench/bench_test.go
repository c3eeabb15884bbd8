// Package bench runs Kubernetes' own storage benchmarks over etcd and over
// PostgreSQL, both of which wait for the disk, on the same machine in one run.
package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
	arkstorage "mckinsey.com/ark/server/storage"
)

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	pods   = schema.GroupResource{Resource: "pods"}
)

func init() {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
}

func codec() runtime.Codec       { return apitesting.TestCodec(codecs, examplev1.SchemeGroupVersion) }
func newPod() runtime.Object     { return &example.Pod{} }
func newPodList() runtime.Object { return &example.PodList{} }

// backends are what is compared, in the order of the ratio.
var backends = []struct {
	name string
	open func(testing.TB) storage.Interface
}{
	{"etcd", openEtcd},
	{"postgresql", openPostgreSQL},
}

func openEtcd(t testing.TB) storage.Interface {
	config := testserver.NewTestConfig(t)
	config.UnsafeNoFsync = false
	config.QuotaBackendBytes = 4 << 30
	client := testserver.RunEtcd(t, config)
	compactor := etcd3.NewCompactor(client.Client, 0, clock.RealClock{}, nil)
	t.Cleanup(compactor.Stop)
	versioner := storage.APIObjectVersioner{}
	s, err := etcd3.New(client, compactor, codec(), newPod, newPodList, "/registry", "/pods/", pods,
		identity.NewEncryptCheckTransformer(), etcd3.NewDefaultLeaseManagerConfig(),
		etcd3.NewDefaultDecoder(codec(), versioner), versioner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func openPostgreSQL(t testing.TB) storage.Interface {
	pool, err := pg.NewPool(context.Background(), pgtest.Durable(t), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := store.Open(context.Background(), pool, store.Options{})
	t.Cleanup(s.Close)
	raw, err := arkstorage.New(arkstorage.Config{
		Store: s, GroupResource: pods, ResourcePrefix: "/pods/", Codec: codec(),
		NewFunc: newPod, NewListFunc: newPodList, Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// each runs a benchmark over every backend.
func each(b *testing.B, run func(b *testing.B, s storage.Interface)) {
	for _, backend := range backends {
		b.Run("store="+backend.name, func(b *testing.B) { run(b, backend.open(b)) })
	}
}

// fill creates the pods of a benchmark, many at once.
func fill(b *testing.B, s storage.Interface, data storagetesting.BenchmarkData) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(data.Pods)); i = next.Add(1) - 1 {
				if err := s.Create(context.Background(), data.PodKeys[i], data.Pods[i], &example.Pod{}, 0); err != nil {
					b.Errorf("create %s: %v", data.PodKeys[i], err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkStoreCreate measures creations by 1 to 256 clients.
func BenchmarkStoreCreate(b *testing.B) {
	data := storagetesting.PrepareBenchmarkData(1, 1, 1)
	each(b, func(b *testing.B, s storage.Interface) {
		var serial atomic.Int64
		for _, clients := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							pod := data.Pods[0].DeepCopy()
							pod.Name = fmt.Sprint(serial.Add(1))
							if err := s.Create(context.Background(), "/pods/ns/"+pod.Name, pod, &example.Pod{}, 0); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			})
		}
	})
}

// BenchmarkStoreWriteThroughput is Kubernetes' own.
func BenchmarkStoreWriteThroughput(b *testing.B) {
	data := storagetesting.PrepareBenchmarkData(20, 50, 100)
	each(b, func(b *testing.B, s storage.Interface) {
		fill(b, s, data)
		storagetesting.RunBenchmarkWriteThroughput(context.Background(), b, s, data, false, nil)
	})
}

// BenchmarkStoreList is Kubernetes' own.
func BenchmarkStoreList(b *testing.B) {
	data := storagetesting.PrepareBenchmarkData(50, 100, 100)
	each(b, func(b *testing.B, s storage.Interface) {
		fill(b, s, data)
		storagetesting.RunBenchmarkStoreList(context.Background(), b, s, data, false)
	})
}

// BenchmarkStoreStats is Kubernetes' own.
func BenchmarkStoreStats(b *testing.B) {
	data := storagetesting.PrepareBenchmarkData(50, 100, 100)
	each(b, func(b *testing.B, s storage.Interface) {
		fill(b, s, data)
		storagetesting.RunBenchmarkStoreStats(context.Background(), b, s)
	})
}
