package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
)

// TestDatabaseAwayIs503: without a database every verb says so. A controller that
// was told "not found" or "conflict" would believe it.
func TestDatabaseAwayIs503(t *testing.T) {
	t.Parallel()
	pool, err := pg.NewPool(context.Background(), "postgres://nobody@127.0.0.1:1/none", pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := newFixtureOver(t, pool, func(s *settings) { s.options.WriteTimeout = 100 * time.Millisecond })
	pod, ctx := podNamed("ns", "a"), t.Context()
	believed := podNamed("ns", "a")
	believed.ResourceVersion = "5"
	no := false
	for verb, call := range map[string]func() error{
		"create": func() error { return f.Create(ctx, podKey(pod), pod, &example.Pod{}, 0) },
		"get":    func() error { return f.Get(ctx, podKey(pod), storage.GetOptions{}, &example.Pod{}) },
		"get, ignoring not found": func() error {
			return f.Get(ctx, podKey(pod), storage.GetOptions{IgnoreNotFound: true}, &example.Pod{})
		},
		"list": func() error { return f.GetList(ctx, "/pods/", page(0, ""), &example.PodList{}) },
		"update": func() error {
			return f.GuaranteedUpdate(ctx, podKey(pod), &example.Pod{}, true, nil, setLabel("x"), nil)
		},
		"update of what is cached": func() error {
			return f.GuaranteedUpdate(ctx, podKey(pod), &example.Pod{}, false, nil, setLabel("x"), believed.DeepCopy())
		},
		"delete": func() error {
			return f.Delete(ctx, podKey(pod), &example.Pod{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{})
		},
		"delete of what is cached": func() error {
			return f.Delete(ctx, podKey(pod), &example.Pod{}, nil, storage.ValidateAllObjectFunc, believed.DeepCopy(), storage.DeleteOptions{})
		},
		"watch from now": func() error {
			_, err := f.Watch(ctx, "/pods/", storage.ListOptions{Recursive: true, SendInitialEvents: &no, Predicate: storage.Everything})
			return err
		},
		"current revision": func() error { _, err := f.GetCurrentResourceVersion(ctx); return err },
		"stats":            func() error { _, err := f.Stats(ctx); return err },
	} {
		if err := call(); !apierrors.IsServiceUnavailable(err) {
			t.Errorf("%s: %v, want 503", verb, err)
		}
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx  context.Context
		err  error
		want func(error) bool
	}{
		"unknown outcome":       {t.Context(), fmt.Errorf("write: %w", store.ErrUnknownOutcome), apierrors.IsTimeout},
		"unknown, client gone":  {ended, fmt.Errorf("%w: %w", store.ErrUnknownOutcome, context.Canceled), apierrors.IsTimeout},
		"unavailable":           {t.Context(), fmt.Errorf("write: %w", store.ErrUnavailable), apierrors.IsServiceUnavailable},
		"closed":                {t.Context(), store.ErrClosed, apierrors.IsServiceUnavailable},
		"expired":               {t.Context(), store.ErrExpired, apierrors.IsResourceExpired},
		"deadline":              {t.Context(), fmt.Errorf("get: %w", context.DeadlineExceeded), apierrors.IsTimeout},
		"anything else":         {t.Context(), fmt.Errorf("get: %w", errSynthetic), apierrors.IsInternalError},
		"none":                  {t.Context(), nil, func(err error) bool { return err == nil }},
		"the client went away":  {ended, fmt.Errorf("get: %w", context.Canceled), func(err error) bool { return ended.Err() != nil && err != nil }},
		"not found stays a 500": {t.Context(), fmt.Errorf("row not found"), func(err error) bool { return apierrors.IsInternalError(err) && !apierrors.IsNotFound(err) }},
	}
	for name, test := range tests {
		got := f.interpret(test.ctx, test.err)
		if !test.want(got) {
			t.Errorf("%s: %v", name, got)
		}
		if apierrors.IsInternalError(got) && strings.Contains(got.Error(), test.err.Error()) {
			t.Errorf("%s: shows what the database said: %v", name, got)
		}
	}
}

// TestImpossibleNames: a name that no text of the database can be is one that
// nothing has. Only who wants to write it did something wrong.
func TestImpossibleNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	create(t, f, podNamed("ns", "a"))
	for _, name := range []string{"n\x00ul", "not utf-8 \xff"} {
		pod, ctx := podNamed("ns", name), t.Context()
		believed := pod.DeepCopy()
		believed.ResourceVersion = "2"
		for what, test := range map[string]struct {
			err  error
			want func(error) bool
		}{
			"get":    {f.Get(ctx, podKey(pod), storage.GetOptions{}, &example.Pod{}), storage.IsNotFound},
			"create": {f.Create(ctx, podKey(pod), pod.DeepCopy(), &example.Pod{}, 0), apierrors.IsBadRequest},
			"upsert": {f.GuaranteedUpdate(ctx, podKey(pod), &example.Pod{}, true, nil, setLabel("x"), nil), apierrors.IsBadRequest},
			"update": {f.GuaranteedUpdate(ctx, podKey(pod), &example.Pod{}, false, nil, setLabel("x"), nil), storage.IsNotFound},
			"update of what is cached": {f.GuaranteedUpdate(ctx, podKey(pod), &example.Pod{}, false, nil, setLabel("x"), believed),
				storage.IsNotFound},
			"delete": {f.Delete(ctx, podKey(pod), &example.Pod{}, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}),
				storage.IsNotFound},
			"delete of what is cached": {f.Delete(ctx, podKey(pod), &example.Pod{}, nil, storage.ValidateAllObjectFunc, believed, storage.DeleteOptions{}),
				storage.IsNotFound},
		} {
			if !test.want(test.err) {
				t.Errorf("%s %q: %v", what, name, test.err)
			}
		}
		for _, recursive := range []bool{true, false} {
			out := &example.PodList{}
			opts := page(0, "")
			opts.Recursive = recursive
			if err := f.GetList(ctx, "/pods/"+name, opts, out); err != nil || len(out.Items) > 0 || out.ResourceVersion == "" {
				t.Errorf("list of %q: %v, %d items, revision %q", name, err, len(out.Items), out.ResourceVersion)
			}
			past := from("1")
			past.Recursive = recursive
			past.ProgressNotify = true
			w := startWatch(t, f, "/pods/"+name, past)
			if e := receive(t, w); e.Type != watch.Bookmark {
				t.Errorf("watch of %q: got %s %+v", name, e.Type, e.Object)
			}
		}
	}
}
