package server_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// minimal manifests: the least that each kind accepts.
var minimal = []struct {
	apiVersion, resource, manifest string
	clusterScoped                  bool
	// defaulted are fields that the server fills in.
	defaulted map[string]any
}{
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "agents", manifest: "kind: Agent\nspec: {prompt: Be kind}",
		defaulted: map[string]any{"spec.modelRef.name": "default", "metadata.generation": int64(1)}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "models",
		manifest:  "kind: Model\nspec: {provider: openai, model: {value: m}, config: {openai: {baseUrl: {value: 'https://example.com/v1'}, apiKey: {value: k}}}}",
		defaulted: map[string]any{"spec.type": "completions", "spec.pollInterval": "1m"}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "teams",
		manifest: "kind: Team\nspec: {strategy: sequential, members: [{name: a, type: agent}]}"},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "tools",
		manifest:  "kind: Tool\nspec: {type: http, http: {url: 'https://example.com'}}",
		defaulted: map[string]any{"spec.http.method": "GET"}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "mcpservers",
		manifest:  "kind: MCPServer\nspec: {address: {value: 'https://example.com/mcp'}}",
		defaulted: map[string]any{"spec.transport": "http", "spec.timeout": "30s"}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "memories", manifest: "kind: Memory\nspec: {address: {value: 'https://example.com'}}"},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "a2atasks",
		manifest:  "kind: A2ATask\nspec: {queryRef: {name: q}, a2aServerRef: {name: s}, agentRef: {name: a}, taskId: t}",
		defaulted: map[string]any{"status.phase": "pending", "spec.timeout": "12h"}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "queries",
		manifest:  "kind: Query\nspec: {input: 'What?', selector: {matchLabels: {a: b}}}",
		defaulted: map[string]any{"status.phase": "queued", "spec.ttl": "720h", "spec.timeout": "5m", "spec.type": "user"}},
	{apiVersion: "ark.mckinsey.com/v1alpha1", resource: "arkconfigs", manifest: "kind: ArkConfig\nspec: {}", clusterScoped: true},
	{apiVersion: "ark.mckinsey.com/v1prealpha1", resource: "a2aservers",
		manifest:  "kind: A2AServer\nspec: {address: {value: 'https://example.com'}}",
		defaulted: map[string]any{"spec.pollInterval": "1m"}},
	{apiVersion: "ark.mckinsey.com/v1prealpha1", resource: "executionengines",
		manifest: "kind: ExecutionEngine\nspec: {address: {value: 'https://example.com'}}"},
	{apiVersion: "v1", resource: "configmaps", manifest: "kind: ConfigMap\ndata: {a: b}"},
	{apiVersion: "v1", resource: "secrets", manifest: "kind: Secret\nstringData: {a: b}",
		defaulted: map[string]any{"type": "Opaque", "data.a": "Yg=="}},
}

// testKinds creates, reads, changes, lists and deletes an object of every kind.
func testKinds(t *testing.T, f *fixture) {
	for _, kind := range minimal {
		t.Run(kind.resource, func(t *testing.T) {
			t.Parallel()
			o := object(t, "apiVersion: "+kind.apiVersion+"\n"+kind.manifest)
			o.SetName("default")
			client := dynamic.ResourceInterface(f.dynamic.Resource(gvr(kind.apiVersion, kind.resource)))
			if !kind.clusterScoped {
				client = f.dynamic.Resource(gvr(kind.apiVersion, kind.resource)).Namespace(f.inNamespace(t))
			}
			created := must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
			for path, want := range kind.defaulted {
				if got := at(t, created, path); got != want {
					t.Errorf("%s is %v, want %v", path, got, want)
				}
			}
			checkLife(t, client, created)
		})
	}
}

func checkLife(t *testing.T, client dynamic.ResourceInterface, created *unstructured.Unstructured) {
	t.Helper()
	if created.GetUID() == "" || created.GetResourceVersion() == "" || at(t, created, "metadata.creationTimestamp") == nil {
		t.Errorf("the system's metadata is missing: %v", created.Object["metadata"])
	}
	_, err := client.Create(t.Context(), withoutVersion(created), metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		t.Errorf("created twice: %v", err)
	}
	patched := must(client.Patch(t.Context(), "default", types.MergePatchType, []byte(`{"metadata":{"labels":{"stage":"test"}}}`), metav1.PatchOptions{}))(t)
	if patched.GetGeneration() != created.GetGeneration() || patched.GetResourceVersion() == created.GetResourceVersion() {
		t.Errorf("after a label generation and version are %d %s, were %d %s", patched.GetGeneration(), patched.GetResourceVersion(), created.GetGeneration(), created.GetResourceVersion())
	}
	if _, err := client.Update(t.Context(), withoutVersion(patched), metav1.UpdateOptions{}); created.GetAPIVersion() != "v1" && !apierrors.IsInvalid(err) {
		t.Errorf("a custom resource was overwritten without its version: %v", err)
	}
	if _, err := client.Update(t.Context(), created, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an outdated object was written: %v", err)
	}
	same := must(client.Update(t.Context(), patched, metav1.UpdateOptions{}))(t)
	if same.GetResourceVersion() != patched.GetResourceVersion() {
		t.Errorf("a write that changes nothing moved the version from %s to %s", patched.GetResourceVersion(), same.GetResourceVersion())
	}
	list := must(client.List(t.Context(), metav1.ListOptions{LabelSelector: "stage=test"}))(t)
	if len(list.Items) != 1 || list.Items[0].GetName() != "default" {
		t.Errorf("the list has %d items", len(list.Items))
	}
	if err := client.Delete(t.Context(), "default", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), "default", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its deletion it was found: %v", err)
	}
}

func withoutVersion(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	o.SetResourceVersion("")
	return o
}
