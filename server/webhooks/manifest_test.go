package webhooks_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/strategy"
	"mckinsey.com/ark/server/webhooks"
)

// The chart's manifest has the cluster ask about every kind, as it is served here.
func TestManifest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../chart/files/webhooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(text, []byte("\n---\n"))
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict(documents[0], &mutating); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(documents[1], &validating); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, kind := range strategy.Ark() {
		all = append(all, kind.GroupVersion().Version+"/"+kind.Resource())
	}
	slices.Sort(all)
	if diff := cmp.Diff(all, resources(validating.Webhooks[0].Rules)); diff != "" {
		t.Errorf("validated (-kinds +manifest):\n%s", diff)
	}
	some := []string{"v1alpha1/agents", "v1alpha1/models", "v1alpha1/queries", "v1alpha1/teams"}
	if diff := cmp.Diff(some, resources(mutating.Webhooks[0].Rules)); diff != "" {
		t.Errorf("mutated (-kinds +manifest):\n%s", diff)
	}
	m, v := mutating.Webhooks[0], validating.Webhooks[0]
	// What both say is the same but for the path.
	if diff := cmp.Diff(m, admissionregistrationv1.MutatingWebhook{
		Name: m.Name, ClientConfig: at(v.ClientConfig, webhooks.MutatePath), Rules: m.Rules, FailurePolicy: v.FailurePolicy,
		MatchPolicy: v.MatchPolicy, SideEffects: v.SideEffects, TimeoutSeconds: v.TimeoutSeconds, AdmissionReviewVersions: v.AdmissionReviewVersions,
	}); diff != "" {
		t.Errorf("the mutating webhook (-is +as the validating):\n%s", diff)
	}
	// Of the status there is one rule: a Query that has ended is left alone.
	s := validating.Webhooks[1]
	if diff := cmp.Diff([]string{"v1alpha1/queries/status"}, resources(s.Rules)); diff != "" {
		t.Errorf("status (-kinds +manifest):\n%s", diff)
	}
	for _, phase := range []v1alpha1.QueryPhase{
		v1alpha1.QueryPending, v1alpha1.QueryProvisioning, v1alpha1.QueryQueued, v1alpha1.QueryRunning,
		v1alpha1.QueryInputRequired, v1alpha1.QueryError, v1alpha1.QueryDone, v1alpha1.QueryCanceled,
	} {
		if asked := strings.Contains(s.MatchConditions[0].Expression, "'"+string(phase)+"'"); asked != phase.IsTerminal() {
			t.Errorf("if a query is %s: asked: %t", phase, asked)
		}
	}
	if got := ptr.Deref(v.ClientConfig.Service.Path, ""); got != webhooks.ValidatePath {
		t.Errorf("the path is %s", got)
	}
}

func resources(rules []admissionregistrationv1.RuleWithOperations) []string {
	var all []string
	for _, rule := range rules {
		for _, version := range rule.APIVersions {
			for _, resource := range rule.Resources {
				all = append(all, version+"/"+resource)
			}
		}
	}
	slices.Sort(all)
	return all
}

func at(c admissionregistrationv1.WebhookClientConfig, path string) admissionregistrationv1.WebhookClientConfig {
	c = *c.DeepCopy()
	c.Service.Path = ptr.To(path)
	return c
}
