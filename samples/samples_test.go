package samples_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/demomodel"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/samples"
)

const namespace = "default"

// decode reads the manifests as strictly as a server with fieldValidation Strict.
func decode(t *testing.T, scheme *runtime.Scheme, demoURL string) []client.Object {
	t.Helper()
	manifests, err := samples.Manifests(demoURL)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []client.Object
	for _, manifest := range manifests {
		documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(manifest)))
		for {
			buffer := make([]byte, len(manifest))
			n, err := documents.Read(buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			decoded, _, err := decoder.Decode(buffer[:n], nil, nil)
			if err != nil {
				t.Fatalf("%v:\n%s", err, buffer[:n])
			}
			object := decoded.(client.Object)
			object.SetNamespace(namespace)
			objects = append(objects, object)
		}
	}
	return objects
}

// The samples are answered by the demo model, each as it is meant to be.
func TestSamplesAreAnswered(t *testing.T) {
	t.Parallel()
	demo, demoURL, err := demomodel.Start(t.Context(), "127.0.0.1:0", demomodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := demo.Close(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, arkv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	objects := decode(t, scheme, demoURL)
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithObjects(
		&corev1.Secret{ObjectMeta: meta(samples.SecretName), Data: map[string][]byte{samples.SecretToken: []byte("any-token")}},
		&corev1.ConfigMap{ObjectMeta: meta(samples.ConfigMapName), Data: map[string]string{samples.ConfigBaseURL: demo.BaseURL(), samples.ConfigModel: demomodel.ModelID}},
	).Build()
	clients := egress.NewClients(t.Context(), egress.Policy{AllowLoopback: true})
	defer clients.CloseIdleConnections()
	runner := execution.New(execution.Options{Reader: reader, HTTP: clients})
	want := map[string][]string{
		"weather-in-paris": {"In Paris it is", "°C"},
		"explain-rainbows": {"How does a rainbow come about?", "You explain things to curious children, in two sentences."},
		"say-hello":        {"Say hello to somebody"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, object := range objects {
		q, ok := object.(*arkv1alpha1.Query)
		if !ok {
			continue
		}
		outcome := runner.Run(ctx, q, nil)
		if outcome.Phase != arkv1alpha1.QueryDone {
			t.Errorf("%s: %+v", q.Name, outcome)
			continue
		}
		for _, part := range append(want[q.Name], demomodel.Notice) {
			if !strings.Contains(outcome.Response.Content, part) {
				t.Errorf("%s: answer %q lacks %q", q.Name, outcome.Response.Content, part)
			}
		}
		delete(want, q.Name)
	}
	if len(want) != 0 {
		t.Errorf("not among the samples: %v", want)
	}
}

func TestOrderIsComplete(t *testing.T) {
	t.Parallel()
	entries, err := samples.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(samples.Order) {
		t.Errorf("%d files, %d in Order", len(entries), len(samples.Order))
	}
}
