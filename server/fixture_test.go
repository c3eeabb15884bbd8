package server_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server"
)

// fixture is a server over a database of its own.
type fixture struct {
	server     *server.Server
	pool       *pgxpool.Pool
	config     *rest.Config
	dynamic    dynamic.Interface
	clientset  kubernetes.Interface
	kubeconfig string
}

// start runs a server until the test, and its subtests, have ended.
func start(t testing.TB, change func(*server.Options)) *fixture {
	t.Helper()
	return startOver(t, pgtest.DB(t), store.Options{EagerProgress: true}, change)
}

// startDurable is start over a database that waits for the disk.
func startDurable(t testing.TB) *fixture {
	t.Helper()
	pool := must(pgxpool.New(context.Background(), pgtest.Durable(t)))(t)
	t.Cleanup(pool.Close)
	return startOver(t, pool, store.Options{EagerProgress: true}, nil)
}

// startOver is start over a database that the test has made.
func startOver(t testing.TB, pool *pgxpool.Pool, options store.Options, change func(*server.Options)) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	objects := store.Open(ctx, pool, options)
	dir := t.TempDir()
	o := server.Options{Store: objects, CertDir: dir + "/pki", Kubeconfig: dir + "/kubeconfig"}
	if change != nil {
		change(&o)
	}
	s, err := server.New(ctx, o)
	if err != nil {
		cancel()
		objects.Close()
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(serving) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		cancel()
		objects.Close()
	})
	if err := s.WaitReady(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	f := fixtureOf(t, s)
	f.pool, f.kubeconfig = pool, o.Kubeconfig
	return f
}

// fixtureOf makes the clients of a server.
func fixtureOf(t testing.TB, s *server.Server) *fixture {
	t.Helper()
	f := &fixture{server: s, config: s.LoopbackClientConfig()}
	f.dynamic = must(dynamic.NewForConfig(f.config))(t)
	f.clientset = must(kubernetes.NewForConfig(f.config))(t)
	return f
}

// must gives back a value whose making must not fail.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// inNamespace makes a namespace of the test's own.
func (f *fixture) inNamespace(t testing.TB) string {
	t.Helper()
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "test-"},
	}}
	return must(f.dynamic.Resource(gvr("v1", "namespaces")).Create(t.Context(), ns, metav1.CreateOptions{}))(t).GetName()
}

// gvr names a resource by its apiVersion.
func gvr(apiVersion, resource string) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		panic(err)
	}
	return gv.WithResource(resource)
}

func ark(resource string) schema.GroupVersionResource {
	return gvr("ark.mckinsey.com/v1alpha1", resource)
}

// object reads a manifest.
func object(t testing.TB, manifest string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &out.Object); err != nil {
		t.Fatalf("read manifest: %v\n%s", err, manifest)
	}
	return out
}

// at reads a field, as in "spec.target.name".
func at(t testing.TB, o *unstructured.Unstructured, path string) any {
	t.Helper()
	value, _, err := unstructured.NestedFieldNoCopy(o.Object, strings.Split(path, ".")...)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return value
}

// contains fails the test if an error does not say all of that.
func contains(t testing.TB, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there was no error; it should have said %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// recordWarnings is a client, and what the server warned it of.
func (f *fixture) recordWarnings(t testing.TB) (dynamic.Interface, func() []string) {
	t.Helper()
	recorder := &warnings{}
	config := rest.CopyConfig(f.config)
	config.WarningHandler = recorder
	return must(dynamic.NewForConfig(config))(t), recorder.all
}

// warnings collects warnings.
type warnings struct {
	mu   sync.Mutex
	said []string
}

// HandleWarningHeader keeps a warning.
func (w *warnings) HandleWarningHeader(_ int, _, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, message)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}
