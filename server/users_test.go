package server_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// testUsers tries who may do what: with the kubeconfig that the server wrote, with
// no certificate, with a wrong token, and as somebody else.
func testUsers(t *testing.T, f *fixture) {
	admin := must(clientcmd.BuildConfigFromFlags("", f.kubeconfig))(t)
	as := func(name string, groups ...string) *rest.Config {
		config := rest.CopyConfig(admin)
		config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
		return config
	}
	anonymous := rest.AnonymousClientConfig(admin)
	token := rest.AnonymousClientConfig(admin)
	token.BearerToken = "guessed"
	for name, c := range map[string]struct {
		config *rest.Config
		want   func(error) bool
	}{
		"administrator":   {admin, func(err error) bool { return err == nil }},
		"service account": {as("system:serviceaccount:default:worker"), func(err error) bool { return err == nil }},
		"somebody":        {as("somebody"), apierrors.IsForbidden},
		"nobody":          {anonymous, apierrors.IsUnauthorized},
		"token":           {token, apierrors.IsUnauthorized},
	} {
		clientset := must(kubernetes.NewForConfig(c.config))(t)
		if _, err := clientset.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
