package server_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// get asks for a path and returns the answer's body.
func (f *fixture) get(ctx context.Context, t *testing.T, path, accept string) []byte {
	t.Helper()
	request := f.clientset.Discovery().RESTClient().Get().RequestURI(path)
	if accept != "" {
		request = request.SetHeader("Accept", accept)
	}
	return must(request.DoRaw(ctx))(t)
}

func testDiscovery(t *testing.T, f *fixture) {
	lists := must(f.clientset.Discovery().ServerPreferredResources())(t)
	found := map[string]metav1.APIResource{}
	for _, list := range lists {
		for _, r := range list.APIResources {
			found[list.GroupVersion+"/"+r.Name] = r
		}
	}
	for _, kind := range minimal {
		r, ok := found[kind.apiVersion+"/"+kind.resource]
		if !ok {
			t.Errorf("%s is not discovered", kind.resource)
			continue
		}
		if r.SingularName != strings.ToLower(r.Kind) || r.Namespaced == kind.clusterScoped {
			t.Errorf("%s: singular %q, kind %q, namespaced %t", r.Name, r.SingularName, r.Kind, r.Namespaced)
		}
		if kind.apiVersion != "v1" && !slices.Contains(r.Categories, "ark") {
			t.Errorf("%s is not in the category ark", r.Name)
		}
		for _, verb := range []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"} {
			if !slices.Contains(r.Verbs, verb) {
				t.Errorf("%s has no %s", r.Name, verb)
			}
		}
	}
	if ns := found["v1/namespaces"]; slices.Contains(ns.Verbs, "deletecollection") || !slices.Contains(ns.ShortNames, "ns") {
		t.Errorf("namespaces: verbs %v, short names %v", ns.Verbs, ns.ShortNames)
	}
	version := must(f.clientset.Discovery().ServerVersion())(t)
	if version.Major != "1" || !strings.HasPrefix(version.GitVersion, "v1."+version.Minor+".") {
		t.Errorf("the version is %+v", version)
	}
}

func testOpenAPI(t *testing.T, f *fixture) {
	var v2 struct {
		Definitions map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(f.get(t.Context(), t, "/openapi/v2", ""), &v2); err != nil {
		t.Fatal(err)
	}
	for _, gv := range []string{"v1alpha1", "v1prealpha1"} {
		var v3 struct {
			Paths      map[string]any `json:"paths"`
			Components struct {
				Schemas map[string]struct {
					GVK []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
				} `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(f.get(t.Context(), t, "/openapi/v3/apis/ark.mckinsey.com/"+gv, ""), &v3); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]bool{}
		for name, schema := range v3.Components.Schemas {
			for _, gvk := range schema.GVK {
				if gvk.Group == "ark.mckinsey.com" && gvk.Version == gv {
					kinds[gvk.Kind] = true
					if _, ok := v2.Definitions[name]; !ok {
						t.Errorf("%s is in version 3 of OpenAPI only", name)
					}
				}
			}
		}
		for _, kind := range minimal {
			if strings.HasSuffix(kind.apiVersion, "/"+gv) {
				if name := object(t, kind.manifest).GetKind(); !kinds[name] {
					t.Errorf("no schema says that it is that of %s", name)
				}
			}
		}
	}
}

func testTables(t *testing.T, f *fixture) {
	ns := f.inNamespace(t)
	make := func(resource, manifest string) {
		must(f.dynamic.Resource(ark(resource)).Namespace(ns).Create(t.Context(), object(t, manifest), metav1.CreateOptions{}))(t)
	}
	make("agents", agentManifest)
	make("queries", queryManifest)
	for resource, want := range map[string]struct {
		columns []string
		cells   []any
	}{
		"agents":  {[]string{"Name", "Model", "Available", "Age", "Tools/1", "Description/1"}, []any{"weather", "default", "", nil, 1.0, "first"}},
		"queries": {[]string{"Name", "Type", "Phase", "Duration", "Age", "Target/1", "Tokens/1"}, []any{"asked", "user", "pending", "", nil, "agent/weather", 0.0}},
	} {
		for _, path := range []string{"", "/" + want.cells[0].(string)} {
			var table metav1.Table
			body := f.get(t.Context(), t, "/apis/ark.mckinsey.com/v1alpha1/namespaces/"+ns+"/"+resource+path, "application/json;as=Table;v=v1;g=meta.k8s.io")
			if err := json.Unmarshal(body, &table); err != nil {
				t.Fatal(err)
			}
			checkTable(t, table, want.columns, want.cells)
		}
	}
}

func checkTable(t *testing.T, table metav1.Table, columns []string, cells []any) {
	t.Helper()
	var got []string
	for _, c := range table.ColumnDefinitions {
		name := c.Name
		if c.Priority > 0 {
			name += "/1"
		}
		got = append(got, name)
	}
	if !slices.Equal(got, columns) || table.ResourceVersion == "" || len(table.Rows) != 1 {
		t.Fatalf("columns %v, want %v; %d rows at version %q", got, columns, len(table.Rows), table.ResourceVersion)
	}
	for i, want := range cells {
		if want != nil && table.Rows[0].Cells[i] != want {
			t.Errorf("%s is %v, want %v", columns[i], table.Rows[0].Cells[i], want)
		}
	}
}

func testTooLarge(t *testing.T, f *fixture) {
	o := object(t, agentManifest)
	o.Object["spec"].(map[string]any)["prompt"] = strings.Repeat("x", 4<<20)
	_, err := f.dynamic.Resource(ark("agents")).Namespace(f.inNamespace(t)).Create(t.Context(), o, metav1.CreateOptions{})
	if !apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("4 MiB were accepted, or refused otherwise: %v", err)
	}
}

// testPages reads a list in pages, once from the watch cache and once from the
// database, while it changes.
func testPages(t *testing.T, f *fixture) {
	for resource, manifest := range map[string]string{"agents": agentManifest, "queries": queryManifest} {
		ns := f.inNamespace(t)
		client := f.dynamic.Resource(ark(resource)).Namespace(ns)
		for _, name := range []string{"e", "d", "c", "b", "a"} {
			o := object(t, manifest)
			o.SetName(name)
			o.Object["spec"].(map[string]any)["selector"] = nil
			if resource == "queries" {
				o.Object["spec"] = map[string]any{"input": "?", "selector": map[string]any{"matchLabels": map[string]any{"a": "b"}}}
			}
			must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
		}
		first := must(client.List(t.Context(), metav1.ListOptions{Limit: 2}))(t)
		if remaining := first.GetRemainingItemCount(); len(first.Items) != 2 || remaining == nil || *remaining != 3 {
			t.Fatalf("%s: the first page has %d items, %v remain", resource, len(first.Items), remaining)
		}
		if err := client.Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		second := must(client.List(t.Context(), metav1.ListOptions{Limit: 2, Continue: first.GetContinue()}))(t)
		if second.GetResourceVersion() != first.GetResourceVersion() || len(second.Items) != 2 || second.Items[0].GetName() != "c" {
			t.Errorf("%s: the second page is not of the first's snapshot: %d items at %s, first at %s", resource, len(second.Items), second.GetResourceVersion(), first.GetResourceVersion())
		}
		_, err := client.List(t.Context(), metav1.ListOptions{Limit: 2, Continue: "nonsense"})
		if !apierrors.IsBadRequest(err) {
			t.Errorf("%s: a bad continue token: %v", resource, err)
		}
	}
}
