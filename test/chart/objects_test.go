package chart_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// clusterScoped kinds have no namespace; all others of the chart have one.
var clusterScoped = []string{
	"APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
	"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
}

// Whoever looks for what an installation consists of finds it by labels, and
// `helm template | kubectl apply` puts everything where `helm install` does.
func TestObjects(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		seen := map[string]bool{}
		for _, o := range objects(t, set) {
			if seen[o.String()] {
				t.Errorf("%s is there twice", o)
			}
			seen[o.String()] = true
			if scoped := slices.Contains(clusterScoped, o.GetKind()); scoped != (o.GetNamespace() == "") {
				t.Errorf("%s: the namespace is %q", o, o.GetNamespace())
			}
			for label, want := range map[string]string{
				"app.kubernetes.io/name":       "ark",
				"app.kubernetes.io/instance":   "ark",
				"app.kubernetes.io/managed-by": "Helm",
				"app.kubernetes.io/part-of":    "ark",
				"helm.sh/chart":                "ark-", // and the version
			} {
				if got := o.GetLabels()[label]; got != want && !(label == "helm.sh/chart" && strings.HasPrefix(got, want)) {
					t.Errorf("%s: the label %s is %q", o, label, got)
				}
			}
			if o.GetKind() == "Secret" {
				if s := as[corev1.Secret](t, o); len(s.Data)+len(s.StringData) > 0 {
					t.Errorf("%s: values stand in the chart's output", o)
				}
			}
		}
	})
}

// A backend is either the cluster's own storage, with definitions that outlive the
// installation, or Ark's API server, which the cluster sends the group to.
func TestBackend(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		var definitions, webhooks int
		var services []string
		for _, o := range objects(t, set) {
			switch o.GetKind() {
			case "CustomResourceDefinition":
				definitions++
				if got := o.GetAnnotations()["helm.sh/resource-policy"]; got != "keep" {
					t.Errorf("%s: helm.sh/resource-policy is %q", o, got)
				}
			case "APIService":
				services = append(services, o.GetName())
			case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
				webhooks++
			}
		}
		wantDefinitions, wantWebhooks, wantServices := 11, 2, []string(nil)
		if strings.HasPrefix(set, "postgresql") {
			wantDefinitions, wantWebhooks = 0, 0
			wantServices = []string{"v1alpha1.ark.mckinsey.com", "v1prealpha1.ark.mckinsey.com"}
		}
		if definitions != wantDefinitions || webhooks != wantWebhooks || !slices.Equal(services, wantServices) {
			t.Errorf("there are %d definitions, %d configurations of webhooks and the APIServices %q", definitions, webhooks, services)
		}
	})
}

// While Pods are replaced, as many serve as before.
func TestRollout(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		scaled := map[string]bool{}
		all := objects(t, set)
		for _, o := range all {
			if o.GetKind() == "HorizontalPodAutoscaler" {
				scaled["Deployment "+namespace+"/"+field[string](t, o, "spec", "scaleTargetRef", "name")] = true
			}
		}
		for _, o := range all {
			if o.GetKind() != "Deployment" {
				continue
			}
			d := as[appsv1.Deployment](t, o)
			rolling := d.Spec.Strategy.RollingUpdate
			if rolling == nil || rolling.MaxUnavailable == nil || rolling.MaxUnavailable.IntValue() != 0 {
				t.Errorf("%s: Pods may be missing while others are made: %+v", o, d.Spec.Strategy)
			}
			// A number would undo at each upgrade what the autoscaler decided.
			if scaled[o.String()] != (d.Spec.Replicas == nil) {
				t.Errorf("%s: autoscaled: %v, but the number of Pods is %v", o, scaled[o.String()], d.Spec.Replicas)
			}
		}
	})
}

type switchOff struct {
	set, setting string
	gone         []string
}

// switchedOff are settings that take something away, and what goes with each.
var switchedOff = []switchOff{
	{"etcd", "webhook.enable", []string{
		"MutatingWebhookConfiguration ark", "ValidatingWebhookConfiguration ark", "Service ark-system/ark-webhooks",
		"Secret ark-system/ark-certificates", "Role ark-system/ark-certificates", "RoleBinding ark-system/ark-certificates",
		"ClusterRole ark-webhooks", "ClusterRoleBinding ark-webhooks",
	}},
	{"etcd", "crds.install", []string{
		"CustomResourceDefinition a2aservers.ark.mckinsey.com", "CustomResourceDefinition a2atasks.ark.mckinsey.com",
		"CustomResourceDefinition agents.ark.mckinsey.com", "CustomResourceDefinition arkconfigs.ark.mckinsey.com",
		"CustomResourceDefinition executionengines.ark.mckinsey.com", "CustomResourceDefinition mcpservers.ark.mckinsey.com",
		"CustomResourceDefinition memories.ark.mckinsey.com", "CustomResourceDefinition models.ark.mckinsey.com",
		"CustomResourceDefinition queries.ark.mckinsey.com", "CustomResourceDefinition teams.ark.mckinsey.com",
		"CustomResourceDefinition tools.ark.mckinsey.com",
	}},
	{"etcd-apart", "metrics.enabled", []string{"Service ark-system/ark-metrics", "ServiceMonitor ark-system/ark"}},
	{"postgresql", "storage.postgresql.migration.enabled", []string{"Job ark-system/ark-migration"}},
	{"postgresql", "networkPolicy.enabled", []string{"NetworkPolicy ark-system/ark-core"}},
	{"postgresql", "podDisruptionBudget.enabled", []string{"PodDisruptionBudget ark-system/ark-core"}},
	{"postgresql", "check.enabled", []string{"Job ark-system/ark-check"}},
}

// What is switched off is gone, with all that serves it alone, and nothing else is.
func TestSwitchedOff(t *testing.T) {
	for _, test := range switchedOff {
		t.Run(test.setting, func(t *testing.T) {
			left := map[string]bool{}
			for _, o := range objects(t, test.set, "--set", test.setting+"=false") {
				left[o.String()] = true
			}
			var gone []string
			for _, o := range objects(t, test.set) {
				if !left[o.String()] {
					gone = append(gone, o.String())
				}
			}
			slices.Sort(gone)
			if want := slices.Sorted(slices.Values(test.gone)); !slices.Equal(gone, want) {
				t.Errorf("without %s these are gone:\n  %s\nexpected:\n  %s", test.setting, strings.Join(gone, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}
