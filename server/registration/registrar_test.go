package registration

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"
)

const (
	charts = `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.ark.mckinsey.com, labels: {app: ark}}
spec: {group: ark.mckinsey.com, version: v1alpha1, groupPriorityMinimum: 1000, versionPriority: 15, service: {namespace: ark-system, name: ark-server, port: 443}}
`
	clusters = `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.ark.mckinsey.com, labels: {kube-aggregator.kubernetes.io/automanaged: "true", other: stays}}
spec: {group: ark.mckinsey.com, version: v1alpha1, groupPriorityMinimum: 1000, versionPriority: 100, insecureSkipTLSVerify: true}
status: {conditions: [{type: Available, status: "True", reason: Local}]}
`
	owner = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: ark-server, uid: abc}
`
	object = `
apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: a, namespace: default}
`
	mutating = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: ark}
webhooks: [{name: a.test, clientConfig: {service: {name: s}}, timeoutSeconds: 3}, {name: b.test, clientConfig: {caBundle: b2xk}}]
`
	validating = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: ark}
webhooks: [{name: c.test, clientConfig: {service: {name: s}}}]
`
)

// served are the kinds of the cluster.
type served []metav1.APIResource

func (s served) ServerResourcesForGroupVersionWithContext(context.Context, string) (*metav1.APIResourceList, error) {
	return &metav1.APIResourceList{APIResources: s}, nil
}

func newTest(t *testing.T, o Options, manifests ...string) (*Registrar, *fake.FakeDynamicClient) {
	t.Helper()
	var objects []runtime.Object
	for _, m := range manifests {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(m), &u.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, u)
	}
	agents := schema.GroupVersionResource{Group: "ark.mckinsey.com", Version: "v1alpha1", Resource: "agents"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		agents: "AgentList", apiServices: "APIServiceList", mutatingHooks: "MutatingWebhookConfigurationList",
		validatingHooks: "ValidatingWebhookConfigurationList", clusterRoles: "ClusterRoleList",
	}, objects...)
	return newRegistrar(o, client, served{{Name: "agents", Kind: "Agent"}, {Name: "agents/status", Kind: "Agent"}}), client
}

func service(change func(*Service)) Options {
	s := &Service{Namespace: "ark-system", Name: "ark-server", Port: 443, Group: "ark.mckinsey.com", Versions: []string{"v1alpha1"}, TakeOver: true, Owner: "ark-server"}
	if change != nil {
		change(s)
	}
	return Options{Service: s}
}

// step takes one look, with a bundle, and returns what is missing.
func step(t *testing.T, r *Registrar, bundle string) error {
	t.Helper()
	r.note(t.Context(), r.look(t.Context(), func(context.Context) ([]byte, error) { return []byte(bundle), nil }))
	return r.Ready(nil)
}

func get(t *testing.T, client *fake.FakeDynamicClient, resource schema.GroupVersionResource, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := client.Resource(resource).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func writes(client *fake.FakeDynamicClient) (n int) {
	for _, a := range client.Actions() {
		if a.GetVerb() != "get" && a.GetVerb() != "list" {
			n++
		}
	}
	return n
}

func TestAPIServices(t *testing.T) {
	for name, c := range map[string]struct {
		options   Options
		manifests []string
		missing   string // part of what readiness says
		taken     bool
	}{
		"of the chart":           {options: service(nil), manifests: []string{charts}},
		"not there":              {options: service(nil), missing: "there is no apiservices/v1alpha1.ark.mckinsey.com"},
		"of somebody else":       {options: service(func(s *Service) { s.Name = "other" }), manifests: []string{charts}, missing: "points to the Service ark-system/ark-server"},
		"of the cluster":         {options: service(nil), manifests: []string{clusters, owner}, taken: true},
		"without an owner":       {options: service(func(s *Service) { s.Owner = "" }), manifests: []string{clusters}, taken: true},
		"the owner is not there": {options: service(nil), manifests: []string{clusters}, missing: "there is no ClusterRole ark-server"},
		"with objects":           {options: service(nil), manifests: []string{clusters, owner, object}, missing: "would be hidden: Agent (at least 1)"},
		"with objects, forced":   {options: service(func(s *Service) { s.HideCustomResources = true }), manifests: []string{clusters, owner, object}, taken: true},
		"not wanted":             {options: service(func(s *Service) { s.TakeOver = false }), manifests: []string{clusters, owner}, missing: "--take-over is off"},
	} {
		t.Run(name, func(t *testing.T) {
			r, client := newTest(t, c.options, c.manifests...)
			err := step(t, r, "bundle")
			if c.missing != "" {
				if err == nil || !strings.Contains(err.Error(), c.missing) {
					t.Errorf("readiness says %v", err)
				}
				if n := writes(client); n != 0 {
					t.Errorf("wrote %d times", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			u := get(t, client, apiServices, "v1alpha1.ark.mckinsey.com")
			if bundle, _, _ := unstructured.NestedString(u.Object, "spec", "caBundle"); bundle != base64.StdEncoding.EncodeToString([]byte("bundle")) {
				t.Errorf("the bundle is %s", bundle)
			}
			if isTaken(u) != c.taken {
				t.Errorf("taken over: %v", !c.taken)
			}
			if c.taken {
				checkTaken(t, u, c.options.Service.Owner)
			}
			if err := step(t, r, "bundle"); err != nil || writes(client) != 1 {
				t.Errorf("wrote %d times, readiness says %v", writes(client), err)
			}
		})
	}
}

func checkTaken(t *testing.T, u *unstructured.Unstructured, owner string) {
	t.Helper()
	if labels := u.GetLabels(); len(labels) != 1 || labels["other"] != "stays" {
		t.Errorf("labels are %v", labels)
	}
	if namespace, name := serviceOf(u); namespace+"/"+name != "ark-system/ark-server" {
		t.Errorf("it points to %s/%s", namespace, name)
	}
	if _, found, _ := unstructured.NestedBool(u.Object, "spec", "insecureSkipTLSVerify"); found {
		t.Error("TLS is not verified")
	}
	if n, _, _ := unstructured.NestedInt64(u.Object, "spec", "versionPriority"); n != versionPriority {
		t.Errorf("the priority is %d", n)
	}
	owners := u.GetOwnerReferences()
	if (owner != "") != (len(owners) == 1 && owners[0].UID == "abc" && owners[0].BlockOwnerDeletion == nil) {
		t.Errorf("owners are %v", owners)
	}
}

// TestTakenStaysTrusted: what was taken over is given new authorities even when its
// owner is not there, and belongs to the owner that is there now.
func TestTakenStaysTrusted(t *testing.T) {
	r, client := newTest(t, service(nil), clusters, owner)
	if err := step(t, r, "first"); err != nil {
		t.Fatal(err)
	}
	if err := client.Tracker().Delete(clusterRoles, "", "ark-server"); err != nil {
		t.Fatal(err)
	}
	if err := step(t, r, "second"); err != nil {
		t.Fatal(err)
	}
	u := get(t, client, apiServices, "v1alpha1.ark.mckinsey.com")
	if bundle, _, _ := unstructured.NestedString(u.Object, "spec", "caBundle"); bundle != base64.StdEncoding.EncodeToString([]byte("second")) {
		t.Errorf("the bundle is %s", bundle)
	}
	if len(u.GetOwnerReferences()) != 1 {
		t.Error("it has lost its owner")
	}
}

func TestWebhooks(t *testing.T) {
	r, client := newTest(t, Options{Webhooks: "ark"}, mutating, validating)
	for _, bundle := range []string{"one", "one", "two"} {
		if err := step(t, r, bundle); err != nil {
			t.Fatal(err)
		}
		for _, resource := range []schema.GroupVersionResource{mutatingHooks, validatingHooks} {
			u := get(t, client, resource, "ark")
			hooks, _, _ := unstructured.NestedSlice(u.Object, "webhooks")
			for _, h := range hooks {
				if got, _, _ := unstructured.NestedString(h.(map[string]any), "clientConfig", "caBundle"); got != base64.StdEncoding.EncodeToString([]byte(bundle)) {
					t.Errorf("the bundle of %v is %s", h, got)
				}
			}
		}
	}
	if n := writes(client); n != 4 {
		t.Errorf("wrote %d times, want twice for each of two bundles", n)
	}
	if _, ok := r.Trusted([]byte("two")); !ok {
		t.Error("the bundle is not trusted")
	}
	if _, ok := r.Trusted([]byte("one")); ok {
		t.Error("a former bundle is trusted")
	}
}

// TestConflict: a target that somebody else has changed is looked at again, at once.
func TestConflict(t *testing.T) {
	r, client := newTest(t, service(nil), charts)
	conflicts := 0
	client.PrependReactor("update", "apiservices", func(clienttesting.Action) (bool, runtime.Object, error) {
		if conflicts++; conflicts > 1 {
			return false, nil, nil
		}
		return true, nil, apierrors.NewConflict(apiServices.GroupResource(), "v1alpha1.ark.mckinsey.com", errors.New("changed"))
	})
	if err := step(t, r, "bundle"); err == nil {
		t.Error("it is registered")
	}
	select {
	case <-r.wake:
	default:
		t.Error("nothing is looked at again")
	}
	if _, ok := r.Trusted([]byte("bundle")); ok {
		t.Error("the bundle is trusted, but was not written")
	}
	if err := step(t, r, "bundle"); err != nil {
		t.Error(err)
	}
}

// TestReadyOutlivesFailures: a cluster that cannot be asked for a while does not make a
// process unready that was registered; one that says otherwise does.
func TestReadyOutlivesFailures(t *testing.T) {
	r, client := newTest(t, service(nil), charts)
	if err := step(t, r, "bundle"); err != nil {
		t.Fatal(err)
	}
	broken := true
	client.PrependReactor("get", "apiservices", func(clienttesting.Action) (bool, runtime.Object, error) {
		return broken, nil, errors.New("connection refused")
	})
	if err := step(t, r, "bundle"); err != nil {
		t.Errorf("readiness says %v", err)
	}
	if _, ok := r.Trusted([]byte("bundle")); ok {
		t.Error("nobody knows whether the bundle is trusted")
	}
	broken = false
	if err := client.Tracker().Delete(apiServices, "", "v1alpha1.ark.mckinsey.com"); err != nil {
		t.Fatal(err)
	}
	if err := step(t, r, "bundle"); err == nil {
		t.Error("it is registered")
	}
}
