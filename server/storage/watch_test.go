package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

func setLabel(value string) storage.UpdateFunc {
	return storage.SimpleUpdate(func(obj runtime.Object) (runtime.Object, error) {
		obj.(*example.Pod).Labels = map[string]string{"label": value}
		return obj, nil
	})
}

func startWatch(t testing.TB, s storage.Interface, key string, opts storage.ListOptions) watch.Interface {
	t.Helper()
	w, err := s.Watch(context.Background(), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

func receive(t testing.TB, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch ended")
		}
		return e
	case <-time.After(patience):
		t.Fatalf("no event within %s", patience)
	}
	return watch.Event{}
}

func podOf(t testing.TB, e watch.Event) *example.Pod {
	t.Helper()
	obj := e.Object
	if shared, ok := obj.(runtime.CacheableObject); ok {
		obj = shared.GetObject()
	}
	pod, ok := obj.(*example.Pod)
	if !ok {
		t.Fatalf("got %s %+v", e.Type, e.Object)
	}
	return pod
}

// expect reads events, each given as type and name.
func expect(t testing.TB, w watch.Interface, events ...string) {
	t.Helper()
	for _, want := range events {
		e := receive(t, w)
		if got := fmt.Sprintf("%s %s", e.Type, podOf(t, e).Name); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func from(rv string) storage.ListOptions {
	return storage.ListOptions{ResourceVersion: rv, Recursive: true, Predicate: storage.Everything}
}

func TestSelectorWatchSeesTransitions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	opts := from("1")
	opts.Predicate.Label = labels.SelectorFromSet(labels.Set{"label": "yes"})
	opts.Predicate.GetAttrs = podAttrs
	w := startWatch(t, f, "/pods/", opts)
	pod := create(t, f, podNamed("ns", "a"))
	label(t, f, pod, "yes")
	label(t, f, pod, "no")
	label(t, f, pod, "never")
	label(t, f, pod, "yes")
	remove(t, f, pod)
	expect(t, w, "ADDED a", "DELETED a", "ADDED a", "DELETED a")
}

// TestUnchangedIsNotWritten: an update that changes nothing keeps the revision
// and wakes nobody.
func TestUnchangedIsNotWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := startWatch(t, f, "/pods/", from("1"))
	pod := create(t, f, podNamed("ns", "a"))
	first := label(t, f, pod, "x")
	if again := label(t, f, pod, "x"); again.ResourceVersion != first.ResourceVersion {
		t.Errorf("revision %s after %s", again.ResourceVersion, first.ResourceVersion)
	}
	create(t, f, podNamed("ns", "b"))
	expect(t, w, "ADDED a", "MODIFIED a", "ADDED b")
}

// TestFutureRevisionIsExpired: a revision that the database does not know comes
// from before it was restored: its holder must begin anew, not wait.
func TestFutureRevisionIsExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	e := receive(t, startWatch(t, f, "/pods/", from("1000")))
	status, ok := e.Object.(*metav1.Status)
	if e.Type != watch.Error || !ok || status.Code != 410 {
		t.Errorf("got %s %+v", e.Type, e.Object)
	}
}

// TestSlowWatchIsToldEverything: a client that does not read while much more
// happens than is held for it slows down nobody, and misses nothing.
func TestSlowWatchIsToldEverything(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slow, quick := startWatch(t, f, "/pods/", from("1")), startWatch(t, f, "/pods/", from("1"))
	const n = 300
	large := podNamed("ns", "")
	large.Annotations = map[string]string{"large": strings.Repeat("x", 100<<10)}
	for i := range n {
		pod := large.DeepCopy()
		pod.Name = fmt.Sprint(i)
		create(t, f, pod)
		expect(t, quick, fmt.Sprint("ADDED ", i))
	}
	for i := range n {
		expect(t, slow, fmt.Sprint("ADDED ", i))
	}
}

// TestManyWatchesDecodeOnce: thousands of clients that each wait for an object of
// their own see it and nothing else, and each event is decoded once.
func TestManyWatchesDecodeOnce(t *testing.T) {
	t.Parallel()
	transformer := storagetesting.NewPrefixTransformer([]byte(testPrefix), false)
	f := newFixture(t, withTransformer(transformer))
	const objects, watchesEach = 500, 10
	watches := map[string][]watch.Interface{}
	for i := range objects {
		pod := podNamed("ns", fmt.Sprint(i))
		for range watchesEach {
			opts := from("1")
			opts.Recursive = false
			watches[pod.Name] = append(watches[pod.Name], startWatch(t, f, podKey(pod), opts))
		}
	}
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			for i := n; i < objects; i += 10 {
				create(t, f, podNamed("ns", fmt.Sprint(i)))
			}
		})
	}
	wg.Wait()
	for name, each := range watches {
		for _, w := range each {
			expect(t, w, "ADDED "+name)
		}
	}
	if decoded := transformer.GetReadsAndReset(); decoded != objects {
		t.Errorf("%d decodes for %d events and %d watches", decoded, objects, objects*watchesEach)
	}
}

// countingEncoder counts how often it encodes.
type countingEncoder struct{ n atomic.Int64 }

func (c *countingEncoder) encode(obj runtime.Object, w io.Writer) error {
	c.n.Add(1)
	_, err := fmt.Fprintf(w, "encoded %s", obj.(*example.Pod).Name)
	return err
}

// TestEncodedOnceForAll: what is sent to many clients is encoded once a format.
func TestEncodedOnceForAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var watches []watch.Interface
	for range 50 {
		watches = append(watches, startWatch(t, f, "/pods/", from("1")))
	}
	create(t, f, podNamed("ns", "a"))
	json, proto := &countingEncoder{}, &countingEncoder{}
	for _, w := range watches {
		shared := receive(t, w).Object.(runtime.CacheableObject)
		for id, encoder := range map[runtime.Identifier]*countingEncoder{"json": json, "proto": proto} {
			var out bytes.Buffer
			if err := shared.CacheEncode(id, encoder.encode, &out); err != nil || out.String() != "encoded a" {
				t.Fatalf("got %q, %v", out.String(), err)
			}
		}
	}
	if json.n.Load() != 1 || proto.n.Load() != 1 {
		t.Errorf("encoded %d and %d times", json.n.Load(), proto.n.Load())
	}
	failed := errors.New("failed")
	shared := newSharedObject(podNamed("ns", "b"))
	for range 2 {
		err := shared.CacheEncode("bad", func(runtime.Object, io.Writer) error { return failed }, io.Discard)
		if !errors.Is(err, failed) {
			t.Errorf("got %v, want %v", err, failed)
		}
	}
}

// TestInitialEventsEndOnlyForWhoAsked: the bookmark that ends the initial events
// goes to the watch that asked for them, and to no other.
func TestInitialEventsEndOnlyForWhoAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	create(t, f, podNamed("ns", "a"))
	yes := true
	asks, other := from(""), from("1")
	asks.SendInitialEvents = &yes
	asks.Predicate.AllowWatchBookmarks = true
	other.Predicate.AllowWatchBookmarks = true
	plain := startWatch(t, f, "/pods/", other)
	streamed := startWatch(t, f, "/pods/", asks)
	expect(t, streamed, "ADDED a")
	if e := receive(t, streamed); e.Type != watch.Bookmark || podOf(t, e).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("got %s %+v", e.Type, e.Object)
	}
	create(t, f, podNamed("ns", "b"))
	expect(t, streamed, "ADDED b")
	expect(t, plain, "ADDED a", "ADDED b")
}

// TestHookSeesBothObjects: what a write does beside the object is decided from the
// object before and after, also when it is changed in place.
func TestHookSeesBothObjects(t *testing.T) {
	t.Parallel()
	var steps []string
	describe := func(obj runtime.Object) string {
		if obj == nil {
			return "none"
		}
		return obj.(*example.Pod).Labels["label"]
	}
	f := newFixture(t, func(s *settings) {
		s.OnWrite = func(old, updated runtime.Object, _ time.Time) *store.QueryChange {
			steps = append(steps, describe(old)+">"+describe(updated))
			return nil
		}
	})
	pod := podNamed("ns", "a")
	pod.Labels = map[string]string{"label": "one"}
	create(t, f, pod)
	label(t, f, pod, "two")
	label(t, f, pod, "two")
	remove(t, f, pod)
	upserted := podNamed("ns", "b")
	if err := f.GuaranteedUpdate(t.Context(), podKey(upserted), &example.Pod{}, true, nil, setLabel("new"), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(steps, " "), "none>one one>two two>none none>new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWatchStartsWhenTheDatabaseIsBack: a watch that begins while the database is
// away waits for it, as one that is under way does.
func TestWatchStartsWhenTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	config := pgtest.DB(t).Config().Copy()
	var back atomic.Bool
	var refused atomic.Int64
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !back.Load() {
			refused.Add(1)
			return nil, errSynthetic
		}
		return dial(ctx, network, address)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := newFixtureOver(t, pool)
	w := startWatch(t, f, "/pods/", from("1"))
	before := refused.Load()
	await(t, "the store asks in vain", func() bool { return refused.Load() > before+10 })
	back.Store(true)
	create(t, f, podNamed("ns", "a"))
	expect(t, w, "ADDED a")
}

// TestOvertakenWatchIsExpired: a client that does not read for so long that what it
// has not seen is compacted away is told so, after what waits for it.
func TestOvertakenWatchIsExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slow := startWatch(t, f, "/pods/", from("1"))
	large := podNamed("ns", "")
	large.Annotations = map[string]string{"large": strings.Repeat("x", 200<<10)}
	const n = 400 // more than memory and the watch's own buffer hold
	for i := range n {
		pod := large.DeepCopy()
		pod.Name = fmt.Sprint(i)
		create(t, f, pod)
	}
	if err := f.store.Compact(t.Context(), n+1); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := receive(t, slow)
		if e.Type != watch.Error {
			if name := podOf(t, e).Name; name != fmt.Sprint(i) {
				t.Fatalf("got %s, want %d", name, i)
			}
			continue
		}
		if status, ok := e.Object.(*metav1.Status); !ok || status.Code != 410 {
			t.Errorf("got %+v", e.Object)
		}
		return
	}
	t.Error("everything was sent: the watch was not overtaken")
}

// TestCompactedWatchIsExpired: a watch from before the floor is told so.
func TestCompactedWatchIsExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 5 {
		create(t, f, podNamed("ns", fmt.Sprint(i)))
	}
	if err := f.store.Compact(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	e := receive(t, startWatch(t, f, "/pods/", from("4")))
	if status, ok := e.Object.(*metav1.Status); !ok || !apierrors.IsResourceExpired(&apierrors.StatusError{ErrStatus: *status}) {
		t.Errorf("got %s %+v", e.Type, e.Object)
	}
	expect(t, startWatch(t, f, "/pods/", from("5")), "ADDED 4")
}
