package storage

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

func podNamed(ns, name string) *example.Pod {
	return &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
}

func podKey(p *example.Pod) string { return "/pods/" + p.Namespace + "/" + p.Name }

func create(t testing.TB, s storage.Interface, pod *example.Pod) *example.Pod {
	t.Helper()
	out := &example.Pod{}
	if err := s.Create(context.Background(), podKey(pod), pod, out, 0); err != nil {
		t.Fatalf("create %s: %v", podKey(pod), err)
	}
	return out
}

func label(t testing.TB, s storage.Interface, pod *example.Pod, value string) *example.Pod {
	t.Helper()
	out := &example.Pod{}
	err := s.GuaranteedUpdate(context.Background(), podKey(pod), out, false, nil, setLabel(value), nil)
	if err != nil {
		t.Fatalf("update %s: %v", podKey(pod), err)
	}
	return out
}

func remove(t testing.TB, s storage.Interface, pod *example.Pod) {
	t.Helper()
	err := s.Delete(context.Background(), podKey(pod), &example.Pod{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{})
	if err != nil {
		t.Fatalf("delete %s: %v", podKey(pod), err)
	}
}

func page(limit int64, token string) storage.ListOptions {
	return storage.ListOptions{Recursive: true, Predicate: storage.SelectionPredicate{
		Label: labels.Everything(), Field: fields.Everything(), Limit: limit, Continue: token}}
}

func list(t testing.TB, s storage.Interface, opts storage.ListOptions) *example.PodList {
	t.Helper()
	out := &example.PodList{}
	if err := s.GetList(context.Background(), "/pods/", opts, out); err != nil {
		t.Fatalf("list: %v", err)
	}
	return out
}

// TestPagesAreOneSnapshotInKeyOrder: whatever is written between the pages, they
// show the state at the revision of the first, ordered as keys are (not as pairs of
// namespace and name), with exact numbers of what remains.
func TestPagesAreOneSnapshotInKeyOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := newFixtureOver(t, f.pool) // remembers nothing of the pages before
	var want []string
	for _, ns := range []string{"team", "team-a", "team.b", "teams", "a"} {
		for _, name := range []string{"x", "x-1", "y"} {
			pod := create(t, f, podNamed(ns, name))
			want = append(want, strings.TrimPrefix(podKey(pod), "/pods/")+"@"+pod.ResourceVersion)
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		keyA, _, _ := strings.Cut(a, "@")
		keyB, _, _ := strings.Cut(b, "@")
		return strings.Compare(keyA, keyB)
	})
	var got []string
	token, revision := "", ""
	for n := 0; n == 0 || token != ""; n++ {
		server := []storage.Interface{f, other}[n%2]
		out := list(t, server, page(2, token))
		for _, pod := range out.Items {
			got = append(got, pod.Namespace+"/"+pod.Name+"@"+pod.ResourceVersion)
		}
		if revision == "" {
			revision = out.ResourceVersion
		}
		if out.ResourceVersion != revision {
			t.Errorf("page %d is of revision %s, want %s", n, out.ResourceVersion, revision)
		}
		if left := int64(len(want) - len(got)); out.Continue != "" && (out.RemainingItemCount == nil || *out.RemainingItemCount != left) {
			t.Errorf("page %d says that %v remain, want %d", n, out.RemainingItemCount, left)
		}
		token = out.Continue
		disturb(t, f, n)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// disturb updates, deletes and creates before and behind the place of a list.
func disturb(t *testing.T, s storage.Interface, n int) {
	t.Helper()
	switch n {
	case 0:
		label(t, s, podNamed("a", "x"), "new")
		label(t, s, podNamed("teams", "y"), "new")
	case 1:
		remove(t, s, podNamed("team", "x-1"))
		create(t, s, podNamed("zoo", "x"))
		create(t, s, podNamed("team-a", "new"))
	case 2:
		create(t, s, podNamed("team", "x-1"))
		remove(t, s, podNamed("teams", "x"))
	}
}

// TestListOfEmptyKindIsAboveTheFloor: its revision can be watched from, also when
// everything was compacted.
func TestListOfEmptyKindIsAboveTheFloor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var rv int64
	for range 5 {
		rv = f.increaseRV(t.Context(), t)
	}
	if err := f.store.Compact(t.Context(), rv); err != nil {
		t.Fatal(err)
	}
	out := list(t, f, page(0, ""))
	if out.ResourceVersion != fmt.Sprint(rv) || len(out.Items) != 0 {
		t.Fatalf("revision %s with %d items, want %d", out.ResourceVersion, len(out.Items), rv)
	}
	w := startWatch(t, f, "/pods/", storage.ListOptions{ResourceVersion: out.ResourceVersion, Recursive: true, Predicate: storage.Everything})
	create(t, f, podNamed("ns", "a"))
	expect(t, w, "ADDED a")
}

// TestBrokenConnectionIsNoShortList: a connection that breaks in the middle of a
// list is an error.
func TestBrokenConnectionIsNoShortList(t *testing.T) {
	t.Parallel()
	config := pgtest.DB(t).Config().Copy()
	var left atomic.Int64
	left.Store(1 << 40)
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &limited{Conn: conn, left: &left}, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := newFixtureOver(t, pool)
	for i := range 50 {
		pod := podNamed("ns", fmt.Sprint(i))
		pod.Annotations = map[string]string{"large": strings.Repeat("x", 20<<10)}
		create(t, f, pod)
	}
	left.Store(500 << 10)
	out := &example.PodList{}
	err = f.GetList(t.Context(), "/pods/", page(0, ""), out)
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v and %d items, want 503", err, len(out.Items))
	}
	left.Store(1 << 40)
	if n := len(list(t, f, page(0, "")).Items); n != 50 {
		t.Errorf("%d items afterwards, want 50", n)
	}
}

// limited is a connection that breaks when a number of bytes were read from all of
// its kind.
type limited struct {
	net.Conn
	left *atomic.Int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if l.left.Add(int64(-n)) < 0 {
		_ = l.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// TestCorruptObjectIsNamed: what cannot be decoded is an error that names it, and
// can be deleted unseen.
func TestCorruptObjectIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *settings) { s.UnsafeDeletion = true })
	create(t, f, podNamed("ns", "good"))
	bad := create(t, f, podNamed("ns", "bad"))
	if _, err := f.pool.Exec(t.Context(), "UPDATE ark.objects SET body = 'test!rubbish' WHERE key = 'ns/bad'"); err != nil {
		t.Fatal(err)
	}
	var status apierrors.APIStatus
	err := f.GetList(t.Context(), "/pods/", page(0, ""), &example.PodList{})
	if status, _ = err.(apierrors.APIStatus); status == nil || status.Status().Reason != metav1.StatusReasonStoreReadError {
		t.Fatalf("list: %v", err)
	}
	if causes := status.Status().Details.Causes; len(causes) != 1 || causes[0].Field != "/pods/ns/bad" {
		t.Errorf("list: %+v", status.Status())
	}
	if err := f.Get(t.Context(), podKey(bad), storage.GetOptions{}, &example.Pod{}); !storage.IsCorruptObject(err) {
		t.Errorf("get: %v", err)
	}
	err = f.Delete(t.Context(), podKey(bad), &example.Pod{}, nil, storage.ValidateAllObjectFunc, nil,
		storage.DeleteOptions{ExpectTransformOrDecodeError: true})
	if err != nil {
		t.Errorf("delete: %v", err)
	}
	if n := len(list(t, f, page(0, "")).Items); n != 1 {
		t.Errorf("%d items afterwards, want 1", n)
	}
}

// TestListIsBoundedByPages: objects that are large are read few at a time, also by
// a list that has seen small ones before.
func TestListIsBoundedByPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 50 {
		create(t, f, podNamed("before", fmt.Sprint(i)))
	}
	for i := range 40 {
		pod := podNamed("ns", fmt.Sprintf("%02d", i))
		pod.Annotations = map[string]string{"large": strings.Repeat("x", 1<<20)}
		create(t, f, pod)
	}
	var rows pageRows
	for r, first := store.Prefix("pods", ""), true; r.From < r.Before; first = false {
		p, err := f.store.List(t.Context(), r, rows.affordable())
		if err != nil {
			t.Fatal(err)
		}
		if most := 50 + 10; len(p.Objects) > most || !first && len(p.Objects) > 10 {
			t.Errorf("a page of %d objects from %q on", len(p.Objects), r.From)
		}
		rows.learn(p.Objects)
		r.From = p.Next
	}
	if n := len(list(t, f, page(0, "")).Items); n != 90 {
		t.Errorf("%d items, want 90", n)
	}
	for token, n := "", 0; n == 0 || token != ""; n++ {
		out := list(t, f, page(80, token))
		if want := []int{80, 10}[n]; len(out.Items) != want {
			t.Fatalf("page %d has %d items, want %d", n, len(out.Items), want)
		}
		token = out.Continue
	}
}

// countTracer counts the statements that count objects one by one.
type countTracer struct{ counts atomic.Int64 }

func (c *countTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(data.SQL, "-- name: CountAsOf ") {
		c.counts.Add(1)
	}
	return ctx
}

func (c *countTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestRemainingIsKnownWithoutCounting: how many objects remain behind a page is
// exact, also when others have written since, and nobody counts them for that.
func TestRemainingIsKnownWithoutCounting(t *testing.T) {
	t.Parallel()
	config := pgtest.DB(t).Config().Copy()
	tracer := &countTracer{}
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := newFixtureOver(t, pool)
	const n = 30
	var last *example.Pod
	for i := range n {
		last = create(t, f, podNamed(fmt.Sprint("ns-", i%3), fmt.Sprint(i)))
	}
	remove(t, f, podNamed("ns-0", "0"))
	create(t, f, podNamed("ns-1", "new"))
	create(t, f, podNamed("ns-2", "new"))
	label(t, f, podNamed("ns-1", "1"), "changed")
	for prefix, want := range map[string]int64{"/pods/": n, "/pods/ns-0/": n / 3} {
		opts := page(4, "")
		opts.ResourceVersion, opts.ResourceVersionMatch = last.ResourceVersion, metav1.ResourceVersionMatchExact
		for {
			out := &example.PodList{}
			if err := f.GetList(t.Context(), prefix, opts, out); err != nil {
				t.Fatal(err)
			}
			want -= int64(len(out.Items))
			if out.Continue == "" {
				break
			}
			if out.RemainingItemCount == nil || *out.RemainingItemCount != want {
				t.Fatalf("%s: %v remain, want %d", prefix, out.RemainingItemCount, want)
			}
			opts = page(4, out.Continue)
		}
		if want != 0 {
			t.Errorf("%s: %d are missing", prefix, want)
		}
	}
	if counts := tracer.counts.Load(); counts > 0 {
		t.Errorf("objects were counted %d times", counts)
	}
}

// TestListOfThePastAfterManyChanges: a list at an old revision is whole, and knows
// its end, also where most of what stands there now is younger.
func TestListOfThePastAfterManyChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	create(t, f, podNamed("a", "first"))
	old := create(t, f, podNamed("z", "last"))
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			for i := range 50 {
				create(t, f, podNamed("m", fmt.Sprintf("%d-%d", n, i)))
			}
		})
	}
	wg.Wait()
	atOld := func(limit int64) storage.ListOptions {
		opts := page(limit, "")
		opts.ResourceVersion, opts.ResourceVersionMatch = old.ResourceVersion, metav1.ResourceVersionMatchExact
		return opts
	}
	if n := len(list(t, f, atOld(0)).Items); n != 2 {
		t.Errorf("%d items, want 2", n)
	}
	if out := list(t, f, atOld(2)); len(out.Items) != 2 || out.Continue != "" {
		t.Errorf("a page of 2 has %d items, and continues at %q", len(out.Items), out.Continue)
	}
	out := list(t, f, atOld(1))
	if len(out.Items) != 1 || out.Continue == "" || out.RemainingItemCount == nil || *out.RemainingItemCount != 1 {
		t.Fatalf("a page of 1 has %d items, continues at %q, %v remain", len(out.Items), out.Continue, out.RemainingItemCount)
	}
	out = list(t, f, page(1, out.Continue))
	if len(out.Items) != 1 || out.Items[0].Name != "last" || out.Continue != "" {
		t.Errorf("the last page has %d items, and continues at %q", len(out.Items), out.Continue)
	}
}
