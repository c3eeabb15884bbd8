package execution

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// References into another namespace are followed with a serviceAccount's rights,
// or where the operator allows it: never with the worker's rights alone.
func TestOtherNamespaces(t *testing.T) {
	t.Parallel()
	m := serveModel(t, func(int, chat, *http.Request) reply { return says("ok") })
	u, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "models"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: u.Hostname()},
	}
	byService := newModel("default", "")
	byService.Spec.Config.OpenAI.BaseURL.ValueFrom = &arkv1alpha1.ValueFromSource{
		ServiceRef: &arkv1alpha1.ServiceReference{Name: "models", Namespace: "other", Port: u.Port()},
	}
	elsewhere := newModel("elsewhere", m.URL)
	elsewhere.Namespace = "other"
	credentials := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "planted"}, Data: map[string][]byte{"key": []byte(plantedSecret)}}
	byModelRef := newAgent(func(s *arkv1alpha1.AgentSpec) {
		s.ModelRef = &arkv1alpha1.AgentModelRef{Name: "elsewhere", Namespace: "other"}
	})
	references := map[string][]client.Object{
		"Service of a Model": {newAgent(), byService, service},
		"Model of an Agent":  {byModelRef, elsewhere, credentials},
	}
	for name, objects := range references {
		for who, allow := range map[string]func(*Runner, *arkv1alpha1.Query){
			"nobody":   nil,
			"operator": func(r *Runner, _ *arkv1alpha1.Query) { r.crossNamespace = true },
			"account": func(r *Runner, q *arkv1alpha1.Query) {
				q.Spec.ServiceAccount = "account"
				r.readerFor = func(context.Context, string, string) (client.Reader, error) { return r.reader, nil }
			},
		} {
			t.Run(name+" with the rights of "+who, func(t *testing.T) {
				t.Parallel()
				r, q := newRunner(t, nil, objects...), newQuery(arkv1alpha1.TargetAgent, "a", "hi")
				if allow == nil {
					errored(t, r.Run(t.Context(), q, nil), `a reference into namespace "other" is followed only`)
					return
				}
				allow(r, q)
				done(t, r.Run(t.Context(), q, nil), "ok")
			})
		}
	}
}
