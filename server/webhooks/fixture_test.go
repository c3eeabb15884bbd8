package webhooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/webhooks"
)

// reader knows objects by their Go type, namespace and name, as "Agent ns/a".
type reader struct {
	objects map[string]client.Object
	err     error // what everything else is answered with; nil: it is not there
	asked   int
}

func newReader(objects ...client.Object) *reader {
	r := &reader{objects: map[string]client.Object{}}
	for _, o := range objects {
		r.objects[key(o, client.ObjectKeyFromObject(o))] = o
	}
	return r
}

func key(o client.Object, name client.ObjectKey) string {
	switch o.(type) {
	case *v1alpha1.Agent:
		return "Agent " + name.String()
	case *v1alpha1.ArkConfig:
		return "ArkConfig " + name.String()
	}
	return "other " + name.String()
}

func (r *reader) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	r.asked++
	found, ok := r.objects[key(into, name)]
	switch config, isConfig := into.(*v1alpha1.ArkConfig); {
	case ok && isConfig:
		*config = *found.(*v1alpha1.ArkConfig)
		return nil
	case ok:
		return nil
	case r.err != nil:
		return r.err
	}
	return apierrors.NewNotFound(schema.GroupResource{}, name.Name)
}

func (r *reader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	panic("nothing is listed")
}

func weather() *v1alpha1.Agent {
	return &v1alpha1.Agent{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "weather"}}
}

// kinds are the versions that each kind is in.
var kinds = map[string]string{
	"A2AServer": "v1prealpha1", "A2ATask": "v1alpha1", "Agent": "v1alpha1", "ArkConfig": "v1alpha1",
	"ExecutionEngine": "v1prealpha1", "MCPServer": "v1alpha1", "Memory": "v1alpha1", "Model": "v1alpha1",
	"Query": "v1alpha1", "Team": "v1alpha1", "Tool": "v1alpha1",
}

// object is the JSON of a kind, of what a test says of it in YAML.
func object(t *testing.T, kind, text string) []byte {
	t.Helper()
	if text == "" {
		return nil
	}
	o := map[string]any{"metadata": map[string]any{}}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	o["apiVersion"], o["kind"] = "ark.mckinsey.com/"+kinds[kind], kind
	meta := o["metadata"].(map[string]any)
	if meta["name"] == nil {
		meta["name"] = "x"
	}
	if kind != "ArkConfig" {
		meta["namespace"] = "ns"
	}
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func newModule(t *testing.T, o webhooks.Options) *webhooks.Module {
	t.Helper()
	if o.Reader == nil {
		o.Reader = newReader(weather())
	}
	if o.CertDir == "" {
		o.CertDir = t.TempDir()
	}
	m, err := webhooks.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// review asks about an object, of which there was an old one if old is not empty.
func review(t *testing.T, m *webhooks.Module, path, kind, text, old string) *admissionv1.AdmissionResponse {
	t.Helper()
	req := &admissionv1.AdmissionRequest{
		UID: "the-request", Operation: admissionv1.Create, Name: "x", Namespace: "ns",
		Kind:     metav1.GroupVersionKind{Group: v1alpha1.GroupName, Version: kinds[kind], Kind: kind},
		Resource: metav1.GroupVersionResource{Group: v1alpha1.GroupName, Version: kinds[kind], Resource: strings.ToLower(kind) + "s"},
		Object:   runtime.RawExtension{Raw: object(t, kind, text)},
	}
	if old != "" {
		req.Operation, req.OldObject.Raw = admissionv1.Update, object(t, kind, old)
	}
	return ask(t, m, path, req)
}

func ask(t *testing.T, m *webhooks.Module, path string, req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	body, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: req,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Response == nil {
		t.Fatalf("the answer is no review: %v: %s", err, w.Body)
	}
	if answer.Kind != "AdmissionReview" || answer.Response.UID != req.UID {
		t.Errorf("the answer is %s %s", answer.Kind, answer.Response.UID)
	}
	return answer.Response
}

// patched is an object as the cluster's API server makes it of the answer.
func patched(t *testing.T, sent []byte, answer *admissionv1.AdmissionResponse) []byte {
	t.Helper()
	if !answer.Allowed {
		t.Fatalf("refused: %v", answer.Result)
	}
	if answer.Patch == nil {
		return sent
	}
	if answer.PatchType == nil || *answer.PatchType != admissionv1.PatchTypeJSONPatch {
		t.Fatalf("the patch is of type %v", answer.PatchType)
	}
	patch, err := jsonpatch.DecodePatch(answer.Patch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := patch.Apply(sent)
	if err != nil {
		t.Fatalf("the patch %s cannot be applied to %s: %v", answer.Patch, sent, err)
	}
	return out
}
