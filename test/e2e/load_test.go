package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

var agents = schema.GroupVersionResource{Group: "ark.mckinsey.com", Version: "v1alpha1", Resource: "agents"}

// load creates, reads and deletes Agents all the time, and follows them with a
// watch that resumes.
type load struct {
	client dynamic.ResourceInterface
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []failed
	created  map[string]bool // with a success
	added    map[string]int  // how often the watch said so
}

// failed is a request that failed.
type failed struct {
	verb, name string
	err        error
}

func (f failed) String() string { return fmt.Sprintf("%s %s: %v", f.verb, f.name, f.err) }

// startLoad begins; stop ends it.
func startLoad(t testing.TB, config *rest.Config, clients int) *load {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 1000, 1000
	l := &load{
		client:  must(dynamic.NewForConfig(config))(t).Resource(agents).Namespace("default"),
		created: map[string]bool{}, added: map[string]int{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	t.Cleanup(func() { l.stop() })
	list := must(l.client.List(ctx, metav1.ListOptions{}))(t)
	follow := must(watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: l.client.Watch,
	}))(t)
	l.done.Go(func() { l.follow(ctx, follow) })
	for n := range clients {
		l.done.Go(func() { l.work(ctx, n) })
	}
	return l
}

func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}

// work is one client: errors of requests that it has itself cut off do not count.
func (l *load) work(ctx context.Context, client int) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("load-%d-%d", client, n)
		agent := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "ark.mckinsey.com/v1alpha1", "kind": "Agent",
			"metadata": map[string]any{"name": name}, "spec": map[string]any{"prompt": "p"},
		}}
		_, err := l.client.Create(ctx, agent, metav1.CreateOptions{})
		l.note(ctx, "create", name, err)
		if err == nil {
			l.mu.Lock()
			l.created[name] = true
			l.mu.Unlock()
			_, err = l.client.Get(ctx, name, metav1.GetOptions{})
			l.note(ctx, "get", name, err)
			l.note(ctx, "delete", name, l.client.Delete(ctx, name, metav1.DeleteOptions{}))
		}
		_, err = l.client.List(ctx, metav1.ListOptions{Limit: 10})
		l.note(ctx, "list", "", err)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (l *load) note(ctx context.Context, verb, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err != nil {
		l.failures = append(l.failures, failed{verb, name, err})
	}
}

func (l *load) follow(ctx context.Context, w watch.Interface) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.ResultChan():
			if !ok {
				return
			}
			if e.Type != watch.Added {
				continue
			}
			if object, err := meta.Accessor(e.Object); err == nil {
				l.mu.Lock()
				l.added[object.GetName()]++
				l.mu.Unlock()
			}
		}
	}
}

// seen waits until the watch has told all that was created so far, each once.
func (l *load) seen(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	created := make([]string, 0, len(l.created))
	for name := range l.created {
		created = append(created, name)
	}
	l.mu.Unlock()
	eventually(t, patience, "the watch tells of all that was created", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, name := range created {
			if n := l.added[name]; n != 1 {
				return fmt.Errorf("%s was told %d times", name, n)
			}
		}
		return nil
	})
}

// report returns how much was asked and what failed since the last report.
func (l *load) report() (requests int, failures []failed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	requests, failures = l.requests, l.failures
	l.requests, l.failures = 0, nil
	return requests, failures
}
