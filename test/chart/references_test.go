package chart_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// outside is what a set refers to and does not bring: roles of Kubernetes, and what
// the README and the comments of values.yaml ask of the user.
var outside = map[string][]string{
	"etcd": {"ClusterRole system:auth-delegator"},
	"etcd-apart": {
		"ClusterIssuer company", // certificates.certManager.issuerRef
		"ClusterRole system:auth-delegator",
	},
	"postgresql": {
		"ClusterRole system:auth-delegator",
		"Role kube-system/extension-apiserver-authentication-reader",
		"Secret ark-system/postgresql-credentials", // storage.postgresql.passwordSecretName
	},
	"postgresql-apart": {
		"ClusterRole system:auth-delegator",
		"Role kube-system/extension-apiserver-authentication-reader",
		"Secret ark-system/postgresql-credentials",
	},
	"postgresql-migration": {
		"ClusterRole system:auth-delegator",
		"Role kube-system/extension-apiserver-authentication-reader",
		"Secret ark-system/ark-database",       // storage.postgresql.passwordSecretName
		"Secret ark-system/ark-database-owner", // storage.postgresql.migration.passwordSecretName
		"Secret ark-system/database-authority", // storage.postgresql.rootCertSecretName
	},
	"postgresql-tuned": {
		"ClusterRole system:auth-delegator",
		"PriorityClass agents", // priorityClassName
		"Role kube-system/extension-apiserver-authentication-reader",
		"Secret ark-system/mirror",                 // image.pullSecrets
		"Secret ark-system/postgresql-credentials", // storage.postgresql.passwordSecretName
		"Secret ark-system/registry",               // image.pullSecrets
	},
}

// Whatever is referred to is there.
func TestReferences(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		all := objects(t, set)
		there := map[string]bool{}
		for _, o := range all {
			there[o.String()] = true
			if o.GetKind() == "Certificate" { // cert-manager makes the Secret
				there[key("Secret", o.GetNamespace(), field[string](t, o, "spec", "secretName"))] = true
			}
		}
		var missing []string
		for _, r := range references(t, all) {
			if !there[r] {
				missing = append(missing, r)
			}
		}
		slices.Sort(missing)
		if got, want := slices.Compact(missing), outside[set]; !slices.Equal(got, want) {
			t.Errorf("it refers to\n  %s\nthat it does not bring; expected were\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	})
}

// A hook that comes before everything else finds nothing of its release.
func TestEarlyHooks(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		all := objects(t, set)
		var early []*object
		there := map[string]bool{}
		for _, o := range all {
			if strings.Contains(o.GetAnnotations()["helm.sh/hook"], "pre-") {
				early = append(early, o)
			} else {
				there[o.String()] = true
			}
		}
		for _, r := range references(t, early) {
			if there[r] {
				t.Errorf("a hook that comes first refers to %s", r)
			}
		}
	})
}

// references returns the keys of what objects refer to.
func references(t testing.TB, all []*object) []string {
	t.Helper()
	var found []string
	for _, o := range all {
		found = append(found, objectReferences(t, o)...)
	}
	for _, pod := range pods(t, all) {
		found = append(found, podReferences(pod)...)
		for _, c := range containers(pod) {
			found = append(found, flagReferences(pod.Namespace, c.Args)...)
		}
	}
	return found
}

func objectReferences(t testing.TB, o *object) (found []string) {
	t.Helper()
	switch o.GetKind() {
	case "RoleBinding", "ClusterRoleBinding":
		b := as[rbacv1.RoleBinding](t, o) // both have the same fields
		roleNamespace := ""
		if b.RoleRef.Kind == "Role" {
			roleNamespace = b.Namespace
		}
		found = append(found, key(b.RoleRef.Kind, roleNamespace, b.RoleRef.Name))
		for _, s := range b.Subjects {
			found = append(found, key(s.Kind, s.Namespace, s.Name))
		}
	case "APIService":
		found = append(found, serviceReference(field[map[string]any](t, o, "spec", "service")))
	case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		for _, w := range field[[]any](t, o, "webhooks") {
			hook := &object{}
			hook.Object = w.(map[string]any)
			found = append(found, serviceReference(field[map[string]any](t, hook, "clientConfig", "service")))
		}
	case "HorizontalPodAutoscaler":
		found = append(found, key("Deployment", o.GetNamespace(), field[string](t, o, "spec", "scaleTargetRef", "name")))
	case "Certificate":
		issuer := field[map[string]any](t, o, "spec", "issuerRef")
		issuerNamespace := o.GetNamespace()
		if issuer["kind"] == "ClusterIssuer" {
			issuerNamespace = ""
		}
		found = append(found, key(fmt.Sprint(issuer["kind"]), issuerNamespace, fmt.Sprint(issuer["name"])))
	case "Issuer":
		if spec := field[map[string]any](t, o, "spec"); spec["ca"] != nil {
			found = append(found, key("Secret", o.GetNamespace(), field[string](t, o, "spec", "ca", "secretName")))
		}
	case "ServiceMonitor":
		for _, e := range field[[]any](t, o, "spec", "endpoints") {
			endpoint := &object{}
			endpoint.Object = e.(map[string]any)
			if endpoint.Object["tlsConfig"].(map[string]any)["ca"] != nil {
				found = append(found, key("Secret", o.GetNamespace(), field[string](t, endpoint, "tlsConfig", "ca", "secret", "name")))
			}
		}
	}
	return found
}

func serviceReference(service map[string]any) string {
	return key("Service", fmt.Sprint(service["namespace"]), fmt.Sprint(service["name"]))
}

func podReferences(pod *corev1.Pod) (found []string) {
	if name := pod.Spec.ServiceAccountName; name != "" {
		found = append(found, key("ServiceAccount", pod.Namespace, name))
	}
	if name := pod.Spec.PriorityClassName; name != "" {
		found = append(found, key("PriorityClass", "", name))
	}
	for _, s := range pod.Spec.ImagePullSecrets {
		found = append(found, key("Secret", pod.Namespace, s.Name))
	}
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			found = append(found, key("Secret", pod.Namespace, v.Secret.SecretName))
		}
		if v.ConfigMap != nil {
			found = append(found, key("ConfigMap", pod.Namespace, v.ConfigMap.Name))
		}
	}
	return found
}

// flagReferences returns what a process is told to use by its flags.
func flagReferences(namespace string, args []string) (found []string) {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--certificate-secret":
			found = append(found, key("Secret", namespace, value))
		case "--api-service":
			service, _, _ := strings.Cut(value, ":")
			found = append(found, key("Service", namespace, service))
		case "--model-service":
			found = append(found, key("Service", namespace, value))
		case "--owner":
			found = append(found, key("ClusterRole", "", value))
		case "--webhook-configurations":
			found = append(found, key("MutatingWebhookConfiguration", "", value), key("ValidatingWebhookConfiguration", "", value))
		}
	}
	return found
}
