package admission_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/admission"
	"mckinsey.com/ark/internal/egress"
)

// core has the Secret and the ConfigMap "there" of the namespace ns, with the key k.
type core struct{ err error }

func (c core) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch o := into.(type) {
	case *corev1.Secret:
		o.Data = map[string][]byte{"k": []byte("https://10.1.2.3/planted-secret")}
	case *corev1.ConfigMap:
		o.Data = map[string]string{"k": "https://192.0.2.1"}
	}
	switch {
	case c.err != nil:
		return c.err
	case key.String() == "ns/there":
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (c core) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing is listed")
}

func of[T any](t *testing.T, text string) *T {
	t.Helper()
	var o T
	if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &o
}

const openaiModel = "spec: {model: {value: m}, provider: openai, config: {openai: {baseUrl: {%s}, apiKey: {%s}}}}"

func TestReferences(t *testing.T) {
	t.Parallel()
	model := func(baseURL, key string) runtime.Object {
		return of[v1alpha1.Model](t, fmt.Sprintf(openaiModel, baseURL, key))
	}
	agent := func(parameters string) runtime.Object {
		return of[v1alpha1.Agent](t, "spec: {parameters: ["+parameters+"]}")
	}
	const public, key = "value: 'https://192.0.2.1/v1'", "value: k"
	secret := func(name, key, more string) string {
		return fmt.Sprintf("valueFrom: {secretKeyRef: {name: %s, key: %s%s}}", name, key, more)
	}
	tests := map[string]struct {
		obj, old runtime.Object
		want     string // causes; empty: none
	}{
		"all is there":         {obj: model(public, secret("there", "k", ""))},
		"no such secret":       {obj: model(public, secret("gone", "k", "")), want: "spec.config.openai.apiKey.valueFrom.secretKeyRef.name"},
		"no such key":          {obj: model(public, secret("there", "x", "")), want: "spec.config.openai.apiKey.valueFrom.secretKeyRef.key"},
		"optional":             {obj: model(public, secret("gone", "k", ", optional: true"))},
		"a wrong URL":          {obj: model("value: 'ftp://x'", key), want: "spec.config.openai.baseUrl"},
		"loopback":             {obj: model("value: 'http://127.0.0.1:8080'", key), want: "spec.config.openai.baseUrl"},
		"link-local":           {obj: model("value: 'https://169.254.169.254'", key), want: "spec.config.openai.baseUrl"},
		"private":              {obj: model("value: 'https://10.0.0.1'", key), want: "spec.config.openai.baseUrl"},
		"in the clear":         {obj: model("value: 'http://192.0.2.1'", key), want: "spec.config.openai.baseUrl"},
		"a service":            {obj: model("value: 'http://llm.models.svc.cluster.local'", key)},
		"a private secret":     {obj: model(secret("there", "k", ""), key), want: "spec.config.openai.baseUrl"},
		"an address elsewhere": {obj: model("valueFrom: {configMapKeyRef: {name: there, key: k}}", key)},
		"an agent's parameter": {obj: agent("{name: p, valueFrom: {configMapKeyRef: {name: gone, key: k}}}"), want: "spec.parameters[0].valueFrom.configMapKeyRef.name"},
		"a query's parameter":  {obj: of[v1alpha1.Query](t, "spec: {parameters: [{name: a, value: x}, {name: p, valueFrom: {secretKeyRef: {name: gone, key: k}}}]}"), want: "spec.parameters[1].valueFrom.secretKeyRef.name"},
		"as it was": {obj: agent("{name: p, valueFrom: {configMapKeyRef: {name: gone, key: k}}}"),
			old: agent("{name: p, valueFrom: {configMapKeyRef: {name: gone, key: k}}}")},
		"another kind": {obj: &v1alpha1.Tool{ObjectMeta: metav1.ObjectMeta{Name: "t"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs, err := admission.References{Reader: core{}, Egress: egress.Policy{}}.Validate(t.Context(), "ns", test.obj, test.old)
			if err != nil {
				t.Fatal(err)
			}
			var causes []string
			for _, e := range errs {
				causes = append(causes, e.Field)
				if strings.Contains(e.Error(), "planted-secret") || strings.Contains(e.Error(), "10.1.2.3") {
					t.Errorf("it shows the secret: %v", e)
				}
			}
			if got := strings.Join(causes, " "); got != test.want {
				t.Errorf("refused are %q, want %q: %v", got, test.want, errs)
			}
		})
	}
	away := apierrors.NewServiceUnavailable("away")
	_, err := admission.References{Reader: core{err: away}}.Validate(t.Context(), "ns", model(public, secret("there", "k", "")), nil)
	if !apierrors.IsServiceUnavailable(err) && !errors.Is(err, away) {
		t.Errorf("a cluster that is away: %v", err)
	}
}
