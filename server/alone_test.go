package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server"
)

// TestArkConfigTTL has a server of its own: there is one ArkConfig.
func TestArkConfigTTL(t *testing.T) {
	t.Parallel()
	f := start(t, func(o *server.Options) { o.SkipReferenceChecks = true })
	configs, queries := f.dynamic.Resource(ark("arkconfigs")), f.dynamic.Resource(ark("queries")).Namespace(f.inNamespace(t))
	must(configs.Create(t.Context(), object(t, "apiVersion: ark.mckinsey.com/v1alpha1\nkind: ArkConfig\nmetadata: {name: default}\nspec: {queryTTL: 12h}"), metav1.CreateOptions{}))(t)
	o := object(t, queryManifest)
	eventually(t, "the configured ttl is filled in", func(ctx context.Context) error {
		q, err := queries.Create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && at(t, q, "spec.ttl") != "12h" {
			err = fmt.Errorf("the ttl is %v", at(t, q, "spec.ttl"))
		}
		return err
	})
}

// TestStopEndsWatches stops a server that has watches open: it must not wait for
// the clients to go.
func TestStopEndsWatches(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	objects := store.Open(ctx, pgtest.DB(t), store.Options{})
	defer objects.Close()
	s := must(server.New(ctx, server.Options{Store: objects, CertDir: t.TempDir()}))(t)
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(serving) }()
	if err := s.WaitReady(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	f := fixtureOf(t, s)
	var open []watch.Interface
	for _, resource := range []string{"agents", "queries"} {
		w := must(f.dynamic.Resource(ark(resource)).Watch(ctx, metav1.ListOptions{}))(t)
		open = append(open, w)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(40 * time.Second): // the generic server would wait 60 s for clients
		t.Fatal("the server did not stop")
	}
	for _, w := range open {
		for event := range w.ResultChan() { // until it is closed
			t.Logf("at the end: %s", event.Type)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	var port int
	if _, err := fmt.Sscanf(f.server.URL(), "https://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	objects := store.Open(t.Context(), f.pool, store.Options{})
	defer objects.Close()
	_, err := server.New(t.Context(), server.Options{Store: objects, CertDir: t.TempDir(), Port: port})
	contains(t, err, fmt.Sprint(port), "in use", "another port")
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]server.Options{
		"store": {CertDir: "x"}, "certificates": {Store: &store.Store{}}, "port": {Store: &store.Store{}, CertDir: "x", Port: 70000},
	} {
		_, err := server.New(t.Context(), o)
		contains(t, err, name)
	}
}

// line is the way to the database, which a test can cut.
type line struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("the line is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

// TestDatabaseAway takes the database away: nothing is "not found", readiness says
// so and liveness does not, and when it is back everything goes on by itself.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	var l line
	config := must(pgxpool.ParseConfig(pgtest.URL(t)))(t)
	config.ConnConfig.DialFunc = l.dial
	pool := must(pgxpool.NewWithConfig(t.Context(), config))(t)
	t.Cleanup(pool.Close)
	f := startOver(t, pool, store.Options{WriteTimeout: time.Second, EagerProgress: true}, nil)
	ns := f.withAgent(t)
	queries := f.dynamic.Resource(ark("queries")).Namespace(ns)
	must(queries.Create(t.Context(), object(t, queryManifest), metav1.CreateOptions{}))(t)
	list := must(queries.List(t.Context(), metav1.ListOptions{}))(t)
	w := must(queries.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}))(t)
	defer w.Stop()

	l.set(true)
	f.dynamic = must(dynamic.NewForConfig(impatient(f.config)))(t)
	agents := f.dynamic.Resource(ark("agents")).Namespace(ns)
	queries = f.dynamic.Resource(ark("queries")).Namespace(ns)
	another := object(t, queryManifest)
	another.SetName("another")
	for what, do := range map[string]func() error{
		"get":           func() error { _, err := queries.Get(t.Context(), "asked", metav1.GetOptions{}); return err },
		"get unknown":   func() error { _, err := queries.Get(t.Context(), "unknown", metav1.GetOptions{}); return err },
		"get cached":    func() error { _, err := agents.Get(t.Context(), "weather", metav1.GetOptions{}); return err },
		"list":          func() error { _, err := queries.List(t.Context(), metav1.ListOptions{}); return err },
		"create":        func() error { _, err := queries.Create(t.Context(), another, metav1.CreateOptions{}); return err },
		"delete":        func() error { return queries.Delete(t.Context(), "asked", metav1.DeleteOptions{}) },
		"no such agent": func() error { return createFor(t, f, ns, "nobody") },
	} {
		var status *apierrors.StatusError
		err := do()
		if !errors.As(err, &status) || status.ErrStatus.Code != 503 && status.ErrStatus.Code != 504 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := f.try(t.Context(), "/livez"); err != nil {
		t.Errorf("it is not alive: %v", err)
	}
	if body, err := f.try(t.Context(), "/readyz?verbose"); err == nil || !strings.Contains(string(body), "[-]postgresql failed") {
		t.Errorf("it is ready: %s", body)
	}

	l.set(false)
	eventually(t, "the query is created", func(ctx context.Context) error {
		_, err := queries.Create(ctx, another, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	expect(t, w, watch.Added, "another")
	eventually(t, "the server is ready", func(ctx context.Context) error {
		_, err := f.try(ctx, "/readyz")
		return err
	})
}

// impatient is a client that does not wait and ask again when the server says
// that it should.
func impatient(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return withoutRetryAfter{next} })
	return config
}

type withoutRetryAfter struct{ http.RoundTripper }

// RoundTrip takes a header out of the answer.
func (w withoutRetryAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Del("Retry-After")
	}
	return response, err
}

// createFor creates a Query for an agent.
func createFor(t *testing.T, f *fixture, ns, agent string) error {
	o := object(t, strings.Replace(queryManifest, "name: weather", "name: "+agent, 1))
	o.SetName("for-" + agent)
	_, err := f.dynamic.Resource(ark("queries")).Namespace(ns).Create(t.Context(), o, metav1.CreateOptions{})
	return err
}

// try asks for a path.
func (f *fixture) try(ctx context.Context, path string) ([]byte, error) {
	return f.clientset.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
}
