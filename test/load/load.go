// Package load is a client that lists, writes and watches all the time, while a
// test does something to what serves it.
package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"mckinsey.com/ark/test/process"
)

var agents = schema.GroupVersionResource{Group: "ark.mckinsey.com", Version: "v1alpha1", Resource: "agents"}

// patience bounds what Seen waits for.
const patience = 60 * time.Second

// Load creates, reads, changes, lists and deletes Agents all the time, and follows
// them with a watch that resumes.
type Load struct {
	client dynamic.ResourceInterface
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []Failure
	expected map[string]bool // events of writes that were answered with success
	told     map[string]int  // events, and how often the watch told them
}

// Failure is a request that failed.
type Failure struct {
	Verb, Name string
	At         time.Time
	Err        error
}

// String is the request and its error.
func (f Failure) String() string { return fmt.Sprintf("%s %s: %v", f.Verb, f.Name, f.Err) }

// Start begins with as many clients in the namespace default. It ends with the test,
// or by Stop.
func Start(t testing.TB, config *rest.Config, clients int) *Load {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 1000, 1000
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &Load{client: client.Resource(agents).Namespace("default"), expected: map[string]bool{}, told: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	t.Cleanup(l.Stop)
	list, err := l.client.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	follow, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &cache.ListWatch{WatchFuncWithContext: l.client.Watch})
	if err != nil {
		t.Fatal(err)
	}
	l.done.Go(func() { l.follow(ctx, follow) })
	for n := range clients {
		l.done.Go(func() { l.work(ctx, n) })
	}
	return l
}

// Stop ends the clients.
func (l *Load) Stop() {
	l.cancel()
	l.done.Wait()
}

// work is one client. The load may be started again: what an earlier one has left is
// another object.
func (l *Load) work(ctx context.Context, client int) {
	begin := time.Now().UnixNano()
	for n := 0; ctx.Err() == nil; n++ {
		l.round(ctx, fmt.Sprintf("load-%d-%d-%d", begin, client, n))
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (l *Load) round(ctx context.Context, name string) {
	agent := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "ark.mckinsey.com/v1alpha1", "kind": "Agent",
		"metadata": map[string]any{"name": name}, "spec": map[string]any{"prompt": "p", "modelRef": map[string]any{"name": "m"}},
	}}
	_, err := l.client.Create(ctx, agent, metav1.CreateOptions{})
	if l.note(ctx, "create", name, watch.Added, err) {
		_, err = l.client.Get(ctx, name, metav1.GetOptions{})
		l.note(ctx, "get", name, "", err)
		_, err = l.client.Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"prompt":"q"}}`), metav1.PatchOptions{})
		l.note(ctx, "patch", name, watch.Modified, err)
		l.note(ctx, "delete", name, watch.Deleted, l.client.Delete(ctx, name, metav1.DeleteOptions{}))
	}
	_, err = l.client.List(ctx, metav1.ListOptions{Limit: 10})
	l.note(ctx, "list", "", "", err)
}

// note counts a request, but for one that the load has itself cut off, and says
// whether it was answered with success.
func (l *Load) note(ctx context.Context, verb, name string, event watch.EventType, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	switch {
	case err != nil:
		l.failures = append(l.failures, Failure{Verb: verb, Name: name, At: time.Now(), Err: err})
	case event != "":
		l.expected[string(event)+" "+name] = true
	}
	return err == nil
}

func (l *Load) follow(ctx context.Context, w watch.Interface) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.ResultChan():
			if !ok {
				return
			}
			if object, err := meta.Accessor(e.Object); err == nil {
				l.mu.Lock()
				l.told[string(e.Type)+" "+object.GetName()]++
				l.mu.Unlock()
			}
		}
	}
}

// Seen waits until the watch has told of all that was written so far, each once.
func (l *Load) Seen(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	expected := slices.Collect(maps.Keys(l.expected))
	l.mu.Unlock()
	err := process.Until(patience, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, event := range expected {
			if n := l.told[event]; n != 1 {
				return fmt.Errorf("%s was told %d times", event, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the watch has not told of all %d writes within %s: %v", len(expected), patience, err)
	}
}

// Report returns how much was asked and what failed since the last report.
func (l *Load) Report() (requests int, failures []Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	requests, failures = l.requests, l.failures
	l.requests, l.failures = 0, nil
	return requests, failures
}
