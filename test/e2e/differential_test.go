package e2e_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/yaml"

	arkinstall "mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
)

// TestBackendsAgree plays one script of writes against both backends: every answer,
// every event of every watch, and what stands there in the end must be the same.
func TestBackendsAgree(t *testing.T) {
	var onPostgreSQL, onEtcd *record
	t.Run("backends", func(t *testing.T) {
		t.Run("postgresql", func(t *testing.T) {
			t.Parallel()
			c := startCluster(t)
			i := install(t, c, apart)
			port := freePort(t)
			i.server(t, port)
			c.aggregate(t, port)
			c.available(t)
			onPostgreSQL = play(t, c.admin)
		})
		t.Run("etcd", func(t *testing.T) {
			t.Parallel()
			c := startCluster(t)
			c.installCRDs(t)
			port := freePort(t)
			c.serveWebhooks(t, port)
			c.registerWebhooks(t, port)
			onEtcd = play(t, c.admin)
		})
	})
	if t.Failed() {
		return
	}
	if diff := gocmp.Diff(onEtcd.answers, onPostgreSQL.answers); diff != "" {
		t.Errorf("answers differ (- etcd, + postgresql):\n%s", diff)
	}
	if diff := gocmp.Diff(onEtcd.events, onPostgreSQL.events); diff != "" {
		t.Errorf("events differ (- etcd, + postgresql):\n%s", diff)
	}
	if diff := gocmp.Diff(onEtcd.end, onPostgreSQL.end); diff != "" {
		t.Errorf("what stands there in the end differs (- etcd, + postgresql):\n%s", diff)
	}
	t.Logf("%d answers, %d events, %d objects", len(onEtcd.answers), len(onEtcd.events), len(onEtcd.end))
}

// record is what a backend showed.
type record struct {
	answers []string // of each step, in order
	events  []string // of each watch, in its order
	end     []string // each object
}

// player plays the script in a namespace of its own.
type player struct {
	t       *testing.T
	client  dynamic.Interface
	ns      string
	answers []string

	mu     sync.Mutex
	events map[string][]string // by watch
}

func play(t *testing.T, config *rest.Config) *record {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 500, 500
	config.WarningHandler = rest.NoWarnings{}
	p := &player{t: t, client: must(dynamic.NewForConfig(config))(t), ns: "script", events: map[string][]string{}}
	namespaces := p.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": p.ns}}}
	must(namespaces.Create(t.Context(), ns, metav1.CreateOptions{}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, o := range map[string]metav1.ListOptions{
		"all": {}, "blue": {LabelSelector: "team=blue"}, "one": {FieldSelector: "metadata.name=one"},
	} {
		p.watch(ctx, "agents", name, o)
	}
	p.watch(ctx, "queries", "all", metav1.ListOptions{})
	for n := range watchers {
		p.watch(ctx, "agents", fmt.Sprint("watcher-", n), metav1.ListOptions{})
	}
	informer := p.inform(ctx, config)
	for _, step := range script {
		p.answers = append(p.answers, p.take(step))
	}
	r := &record{answers: p.answers, events: p.settled(), end: p.end()}
	p.sameForAll()
	eventually(t, patience, "an informer of typed objects has seen the end", func() error {
		if seen := informer(); !slices.Equal(seen, names(p.on("agents"), t)) || !slices.Contains(seen, "one "+lastMark) {
			return fmt.Errorf("it has %v", seen)
		}
		return nil
	})
	return r
}

// watchers is how many more clients watch all agents.
const watchers = 200

// sameForAll: everybody who watches the same is told the same.
func (p *player) sameForAll() {
	p.t.Helper()
	eventually(p.t, patience, "all watchers have been told the same", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for n := range watchers {
			if got := p.events[fmt.Sprint("agents/watcher-", n)]; !slices.Equal(got, p.events["agents/all"]) {
				return fmt.Errorf("watcher %d was told %d events, the first one %d", n, len(got), len(p.events["agents/all"]))
			}
		}
		return nil
	})
}

// inform keeps a cache of controller-runtime, of Go types, and returns what says
// which agents are in it, and their prompts.
func (p *player) inform(ctx context.Context, config *rest.Config) func() []string {
	p.t.Helper()
	scheme := runtime.NewScheme()
	if err := arkinstall.AddToScheme(scheme); err != nil {
		p.t.Fatal(err)
	}
	objects := must(ctrlcache.New(config, ctrlcache.Options{Scheme: scheme, DefaultNamespaces: map[string]ctrlcache.Config{p.ns: {}}}))(p.t)
	must(objects.GetInformer(ctx, &v1alpha1.Agent{}))(p.t)
	go func() { _ = objects.Start(ctx) }() // it ends with ctx
	if !objects.WaitForCacheSync(ctx) {
		p.t.Fatal("the informer did not start")
	}
	return func() []string {
		var list v1alpha1.AgentList
		if err := objects.List(ctx, &list); err != nil {
			return []string{err.Error()}
		}
		var all []string
		for _, a := range list.Items {
			all = append(all, a.Name+" "+a.Spec.Prompt)
		}
		slices.Sort(all)
		return all
	}
}

// names are the agents and their prompts as the API lists them.
func names(on dynamic.ResourceInterface, t *testing.T) []string {
	t.Helper()
	var all []string
	for _, item := range must(on.List(t.Context(), metav1.ListOptions{}))(t).Items {
		prompt, _, _ := unstructured.NestedString(item.Object, "spec", "prompt")
		all = append(all, item.GetName()+" "+prompt)
	}
	slices.Sort(all)
	return all
}

func resource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "ark.mckinsey.com", Version: "v1alpha1", Resource: name}
}

func (p *player) on(name string) dynamic.ResourceInterface {
	return p.client.Resource(resource(name)).Namespace(p.ns)
}

func (p *player) watch(ctx context.Context, kind, name string, o metav1.ListOptions) {
	p.t.Helper()
	list := must(p.on(kind).List(ctx, o))(p.t)
	o.ResourceVersion = list.GetResourceVersion()
	w := must(p.on(kind).Watch(ctx, o))(p.t)
	key := kind + "/" + name
	go func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			text := string(e.Type)
			if object, ok := e.Object.(*unstructured.Unstructured); ok {
				text += " " + normal(object)
			}
			p.mu.Lock()
			p.events[key] = append(p.events[key], text)
			p.mu.Unlock()
		}
	}()
}

// settled waits until the watches have told the last step, a deletion that all of
// them see, and returns what they told.
func (p *player) settled() []string {
	p.t.Helper()
	eventually(p.t, patience, "the watches have told the end", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, key := range []string{"agents/all", "agents/blue", "agents/one", "queries/all"} {
			events := p.events[key]
			if len(events) == 0 || !strings.Contains(events[len(events)-1], lastMark) {
				return fmt.Errorf("%s has %d events", key, len(events))
			}
		}
		return nil
	})
	time.Sleep(500 * time.Millisecond) // what comes too often comes late
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, key := range slices.Sorted(maps.Keys(p.events)) {
		if strings.Contains(key, "watcher") {
			continue
		}
		for n, e := range p.events[key] {
			all = append(all, fmt.Sprintf("%s %d: %s", key, n, e))
		}
	}
	return all
}

func (p *player) end() []string {
	p.t.Helper()
	var all []string
	for _, kind := range []string{"agents", "models", "queries", "tools"} {
		list := must(p.on(kind).List(p.t.Context(), metav1.ListOptions{}))(p.t)
		for n := range list.Items {
			all = append(all, normal(&list.Items[n]))
		}
	}
	return all
}

// take makes one step and returns the answer.
func (p *player) take(s step) string {
	p.t.Helper()
	ctx := p.t.Context()
	on := p.on(s.kind)
	object := &unstructured.Unstructured{}
	if s.object != "" {
		if err := yaml.Unmarshal([]byte(s.object), &object.Object); err != nil {
			p.t.Fatalf("%s: %v", s.name, err)
		}
	}
	var dry []string
	if s.dryRun {
		dry = []string{metav1.DryRunAll}
	}
	var got *unstructured.Unstructured
	var err error
	switch s.verb {
	case "create":
		got, err = on.Create(ctx, object, metav1.CreateOptions{DryRun: dry, FieldValidation: s.validation})
	case "update", "updateStatus":
		var now *unstructured.Unstructured
		if now, err = on.Get(ctx, object.GetName(), metav1.GetOptions{}); err == nil {
			object.SetResourceVersion(now.GetResourceVersion())
			if s.stale {
				object.SetResourceVersion("1")
			}
			if s.verb == "update" {
				got, err = on.Update(ctx, object, metav1.UpdateOptions{DryRun: dry, FieldValidation: s.validation})
			} else {
				got, err = on.UpdateStatus(ctx, object, metav1.UpdateOptions{})
			}
		}
	case "patch":
		got, err = on.Patch(ctx, s.target, s.patch, []byte(s.body), metav1.PatchOptions{DryRun: dry}, s.subresources...)
	case "apply":
		got, err = on.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: s.manager, Force: s.force, DryRun: dry})
	case "delete":
		err = on.Delete(ctx, s.target, metav1.DeleteOptions{DryRun: dry})
	case "deleteAll":
		err = on.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: s.body})
	case "get":
		got, err = on.Get(ctx, s.target, metav1.GetOptions{})
	default:
		p.t.Fatalf("%s: the verb %q is not known", s.name, s.verb)
	}
	switch {
	case err != nil:
		return s.name + ": " + failure(err)
	case got != nil:
		return s.name + ": " + normal(got)
	}
	return s.name + ": done"
}

// failure is what a client can tell errors apart by: the reason, and what was wrong
// with which field. Messages are for people: a webhook's name stands before them.
func failure(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "no status: " + err.Error()
	}
	text := fmt.Sprintf("%d %s", status.Status().Code, status.Status().Reason)
	if status.Status().Details == nil {
		return text
	}
	var causes []string
	for _, c := range status.Status().Details.Causes {
		causes = append(causes, fmt.Sprintf("%s %s", c.Type, c.Field))
	}
	slices.Sort(causes)
	return text + " [" + strings.Join(causes, ", ") + "]"
}

// normal is an object without what differs by nature: uids, revisions and times.
func normal(o *unstructured.Unstructured) string {
	o = o.DeepCopy()
	o.SetUID("")
	o.SetResourceVersion("")
	metadata := o.Object["metadata"].(map[string]any)
	for _, field := range []string{"creationTimestamp", "deletionTimestamp"} {
		if metadata[field] != nil {
			metadata[field] = "set"
		}
	}
	managers := o.GetManagedFields()
	for n := range managers {
		managers[n].Time = nil // and with it their order
	}
	slices.SortFunc(managers, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(strings.Compare(a.Manager, b.Manager), strings.Compare(string(a.Operation), string(b.Operation)), strings.Compare(a.Subresource, b.Subresource))
	})
	o.SetManagedFields(managers)
	if o.GetKind() == "Query" {
		delete(o.Object, "status") // PostgreSQL has it from birth, elsewhere a controller writes it soon
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		c.(map[string]any)["lastTransitionTime"] = "set"
	}
	if len(conditions) > 0 {
		_ = unstructured.SetNestedSlice(o.Object, conditions, "status", "conditions") // it was there before
	}
	if status, ok := o.Object["status"].(map[string]any); ok && len(status) == 0 {
		delete(o.Object, "status") // an empty status says nothing
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		return err.Error()
	}
	// Who wrote a field also owns the object that holds it where the schema comes
	// from a custom resource, and not where it comes from a Go type.
	return strings.ReplaceAll(strings.ReplaceAll(string(text), `".":{},`, ""), `".":{}`, "")
}
