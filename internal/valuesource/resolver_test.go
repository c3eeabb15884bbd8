package valuesource

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

func secretRef(name, key string, optional *bool) *arkv1alpha1.ValueFromSource {
	return &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: optional,
	}}
}

func configRef(name, key string, optional *bool) *arkv1alpha1.ValueFromSource {
	return &arkv1alpha1.ValueFromSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: optional,
	}}
}

func queryRef(name string) *arkv1alpha1.ValueFromSource {
	return &arkv1alpha1.ValueFromSource{QueryParameterRef: &arkv1alpha1.QueryParameterReference{Name: name}}
}

func serviceRef(name, port, path string) *arkv1alpha1.ValueFromSource {
	return &arkv1alpha1.ValueFromSource{ServiceRef: &arkv1alpha1.ServiceReference{Name: name, Port: port, Path: path}}
}

func objects(t *testing.T) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Secret{ObjectMeta: meta("ns", "s"), Data: map[string][]byte{"k": []byte("topsecret\n")}},
		&corev1.Secret{ObjectMeta: meta("other", "s"), Data: map[string][]byte{"k": []byte("othersecret")}},
		&corev1.ConfigMap{ObjectMeta: meta("ns", "c"), Data: map[string]string{"k": "config"}, BinaryData: map[string][]byte{"b": []byte("binary")}},
		&corev1.Service{ObjectMeta: meta("ns", "svc"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 8080}, {Name: "tls", Port: 443}}}},
		&corev1.Service{ObjectMeta: meta("other", "svc")},
		&corev1.Service{ObjectMeta: meta("ns", "ext"), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "models.example.com"}},
	).Build()
}

func query() *arkv1alpha1.Query {
	return &arkv1alpha1.Query{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "q"},
		Spec: arkv1alpha1.QuerySpec{Parameters: []arkv1alpha1.Parameter{
			{Name: "direct", Value: "42"}, {Name: "indirect", ValueFrom: configRef("c", "k", nil)},
		}},
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	yes := ptr.To(true)
	tests := []struct {
		name   string
		source arkv1alpha1.ValueSource
		want   string
		err    string
	}{
		{name: "direct", source: arkv1alpha1.ValueSource{Value: "v"}, want: "v"},
		{name: "empty", want: ""},
		{name: "value wins", source: arkv1alpha1.ValueSource{Value: "v", ValueFrom: secretRef("s", "k", nil)}, want: "v"},
		{name: "Secret", source: arkv1alpha1.ValueSource{ValueFrom: secretRef("s", "k", nil)}, want: "topsecret\n"},
		{name: "no Secret", source: arkv1alpha1.ValueSource{ValueFrom: secretRef("x", "k", nil)}, err: `the Secret "x" does not exist in namespace "ns"`},
		{name: "no key in the Secret", source: arkv1alpha1.ValueSource{ValueFrom: secretRef("s", "x", nil)}, err: `the Secret "s" in namespace "ns" has no key "x"`},
		{name: "optional Secret", source: arkv1alpha1.ValueSource{ValueFrom: secretRef("x", "k", yes)}},
		{name: "optional key of a Secret", source: arkv1alpha1.ValueSource{ValueFrom: secretRef("s", "x", yes)}},
		{name: "ConfigMap", source: arkv1alpha1.ValueSource{ValueFrom: configRef("c", "k", nil)}, want: "config"},
		{name: "binary data", source: arkv1alpha1.ValueSource{ValueFrom: configRef("c", "b", nil)}, want: "binary"},
		{name: "no ConfigMap", source: arkv1alpha1.ValueSource{ValueFrom: configRef("x", "k", nil)}, err: `the ConfigMap "x" does not exist`},
		{name: "no key in the ConfigMap", source: arkv1alpha1.ValueSource{ValueFrom: configRef("c", "x", nil)}, err: `has no key "x"`},
		{name: "optional ConfigMap", source: arkv1alpha1.ValueSource{ValueFrom: configRef("x", "k", yes)}},
		{name: "optional key of a ConfigMap", source: arkv1alpha1.ValueSource{ValueFrom: configRef("c", "x", yes)}},
		{name: "query parameter", source: arkv1alpha1.ValueSource{ValueFrom: queryRef("direct")}, want: "42"},
		{name: "query parameter without a direct value", source: arkv1alpha1.ValueSource{ValueFrom: queryRef("indirect")}, err: `query parameter "indirect"`},
		{name: "no such query parameter", source: arkv1alpha1.ValueSource{ValueFrom: queryRef("x")}, err: `query parameter "x"`},
		{name: "no source", source: arkv1alpha1.ValueSource{ValueFrom: &arkv1alpha1.ValueFromSource{}}, err: "names no source"},
		{name: "Service", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("svc", "", "")}, want: "http://svc.ns.svc.cluster.local"},
		{name: "Service, named port", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("svc", "web", "/v1")}, want: "http://svc.ns.svc.cluster.local:8080/v1"},
		{name: "Service, port 443", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("svc", "tls", "v1")}, want: "https://svc.ns.svc.cluster.local:443/v1"},
		{name: "Service, number", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("svc", "81", "")}, want: "http://svc.ns.svc.cluster.local:81"},
		{name: "Service, unknown port", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("svc", "x", "")}, err: `has no port named "x"`},
		{name: "external Service", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("ext", "", "/v1")}, want: "http://models.example.com/v1"},
		{name: "no Service", source: arkv1alpha1.ValueSource{ValueFrom: serviceRef("x", "", "")}, err: `the Service "x" does not exist`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ForQuery(objects(t), query()).Value(t.Context(), tt.source)
			if got != tt.want {
				t.Errorf("value %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	r := ForQuery(objects(t), query())
	got, err := r.Parameters(t.Context(), []arkv1alpha1.Parameter{
		{Name: "a", Value: "1"}, {Name: "b", ValueFrom: configRef("c", "k", nil)}, {Name: "c", ValueFrom: configRef("x", "k", ptr.To(true))},
	})
	if err != nil || len(got) != 3 || got["a"] != "1" || got["b"] != "config" || got["c"] != "" {
		t.Errorf("parameters %v, error %v", got, err)
	}
	_, err = r.Parameters(t.Context(), []arkv1alpha1.Parameter{{Name: "missing", ValueFrom: queryRef("x")}})
	if !errors.Is(err, ErrQueryParameterNotFound) || !strings.Contains(err.Error(), `parameter "missing"`) {
		t.Errorf("error %v", err)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	header := func(name string, from *arkv1alpha1.ValueFromSource) arkv1alpha1.Header {
		return arkv1alpha1.Header{Name: name, Value: arkv1alpha1.HeaderValue{ValueFrom: &arkv1alpha1.HeaderValueSource{
			SecretKeyRef: from.SecretKeyRef, ConfigMapKeyRef: from.ConfigMapKeyRef, QueryParameterRef: from.QueryParameterRef,
		}}}
	}
	r := ForQuery(objects(t), query())
	got := http.Header{"X-Query": {"old"}}
	err := r.Headers(t.Context(), []arkv1alpha1.Header{
		header("x-secret", secretRef("s", "k", nil)), header("X-Query", queryRef("direct")), header("X-Absent", secretRef("x", "k", ptr.To(true))),
	}, got)
	if err != nil || got.Get("X-Secret") != "topsecret" || got.Get("X-Query") != "42" || len(got) != 2 {
		t.Errorf("headers %v, error %v", got, err)
	}
	if err := r.Headers(t.Context(), []arkv1alpha1.Header{header("X-Bad", configRef("x", "k", nil))}, got); err == nil || !strings.Contains(err.Error(), `header "X-Bad"`) {
		t.Errorf("error %v", err)
	}
}

func TestSecretsAreCollectedAcrossNamespaces(t *testing.T) {
	t.Parallel()
	r := ForQuery(objects(t), query())
	for _, resolver := range []*Resolver{r, r.In("other")} {
		if _, err := resolver.Value(t.Context(), arkv1alpha1.ValueSource{ValueFrom: secretRef("s", "k", nil)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Secrets().Redact("topsecret and othersecret and config"); got != "[redacted] and [redacted] and config" {
		t.Errorf("redacted: %q", got)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	var s Secrets
	for _, value := range []string{"", "abc", "abcdefgh", "abcdefgh-long", "  spaced-out \n", `with "quotes" & more`} {
		s.Add(value)
	}
	s.AddHeader("Authorization", "Bearer bearer-token")
	s.AddHeader("Content-Type", "application/json")
	tests := map[string]string{
		"abc":                                 "abc",
		"<abcdefgh-long>":                     "<[redacted]>",
		"<abcdefgh>":                          "<[redacted]>",
		"<spaced-out>":                        "<[redacted]>",
		`{"a":"with \"quotes\" & more"}`:      `{"a":"[redacted]"}`,
		`{"a":"with \"quotes\" \u0026 more"}`: `{"a":"[redacted]"}`,
		"token bearer-token":                  "token [redacted]",
		"application/json":                    "application/json",
	}
	for text, want := range tests {
		if got := s.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

// A Service of another namespace is looked up only where that is allowed; to the
// objects of that namespace it is no other.
func TestServicesOfOtherNamespaces(t *testing.T) {
	t.Parallel()
	source := arkv1alpha1.ValueSource{ValueFrom: &arkv1alpha1.ValueFromSource{
		ServiceRef: &arkv1alpha1.ServiceReference{Name: "svc", Namespace: "other"},
	}}
	own := New(objects(t), "ns")
	if _, err := own.Value(t.Context(), source); err == nil || !strings.Contains(err.Error(), `namespace "other" is followed only`) {
		t.Errorf("error %v", err)
	}
	for name, r := range map[string]*Resolver{"allowed": own.AcrossNamespaces(), "of the same namespace": own.In("other")} {
		if got, err := r.Value(t.Context(), source); err != nil || got != "http://svc.other.svc.cluster.local" {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
}
