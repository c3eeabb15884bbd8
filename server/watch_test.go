package server_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// testWatch watches with selectors: an object that begins to match is added, one
// that stops is deleted. Agents come from the watch cache, Queries from the events.
func testWatch(t *testing.T, f *fixture) {
	ns := f.withAgent(t)
	for _, c := range []struct {
		resource, name, selector, fields, begin, stop string
		subresource                                   []string
	}{
		{resource: "agents", name: "weather", selector: "watched=yes",
			begin: `{"metadata":{"labels":{"watched":"yes"}}}`, stop: `{"metadata":{"labels":{"watched":"no"}}}`},
		{resource: "queries", name: "asked", selector: "watched=yes",
			begin: `{"metadata":{"labels":{"watched":"yes"}}}`, stop: `{"metadata":{"labels":{"watched":"no"}}}`},
		{resource: "queries", name: "asked2", fields: "status.phase=running,spec.target.name=weather",
			begin: `{"status":{"phase":"running"}}`, stop: `{"status":{"phase":"done"}}`, subresource: []string{"status"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := f.dynamic.Resource(ark(c.resource)).Namespace(ns)
			if c.resource == "queries" {
				o := object(t, queryManifest)
				o.SetName(c.name)
				must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
			}
			options := metav1.ListOptions{LabelSelector: c.selector, FieldSelector: c.fields}
			list := must(client.List(t.Context(), options))(t)
			if len(list.Items) != 0 {
				t.Fatalf("%d match already", len(list.Items))
			}
			options.ResourceVersion = list.GetResourceVersion()
			w := must(client.Watch(t.Context(), options))(t)
			defer w.Stop()
			for _, patch := range []string{c.begin, c.stop} {
				must(client.Patch(t.Context(), c.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, c.subresource...))(t)
			}
			expect(t, w, watch.Added, c.name)
			expect(t, w, watch.Deleted, c.name)
		})
	}
}

// expect takes the next event of a watch, which must be this one.
func expect(t *testing.T, w watch.Interface, want watch.EventType, name string) {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		if !ok {
			t.Fatalf("the watch ended before %s %s", want, name)
		}
		o, isObject := e.Object.(*unstructured.Unstructured)
		if e.Type != want || !isObject || o.GetName() != name {
			t.Fatalf("the event is %s %v, want %s %s", e.Type, e.Object, want, name)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("no event %s %s", want, name)
	}
}
