package chart_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Whoever selects Pods, and whoever calls a port, finds one.
func TestSelectors(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		all := objects(t, set)
		everyPod := pods(t, all)
		for _, o := range all {
			var err error
			switch o.GetKind() {
			case "Service":
				err = serviceProblem(as[corev1.Service](t, o), everyPod)
			case "PodDisruptionBudget":
				budget := as[policyv1.PodDisruptionBudget](t, o)
				_, err = selected(budget.Spec.Selector, everyPod)
			case "NetworkPolicy":
				err = policyProblem(as[networkingv1.NetworkPolicy](t, o), everyPod)
			case "APIService":
				err = apiServiceProblem(t, o, all)
			case "ServiceMonitor":
				err = monitorProblem(t, o, all)
			}
			if err != nil {
				t.Errorf("%s: %v", o, err)
			}
		}
		for _, pod := range everyPod {
			if err := probeProblem(pod); err != nil {
				t.Errorf("%s: %v", pod.Name, err)
			}
		}
	})
}

// selected returns the Pods of a selector: there must be some, all of one kind.
func selected(selector *metav1.LabelSelector, everyPod []*corev1.Pod) ([]*corev1.Pod, error) {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, err
	}
	var found []*corev1.Pod
	for _, pod := range everyPod {
		if s.Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no Pod has the labels %s", s)
	}
	return found, nil
}

func portNames(pod *corev1.Pod) (names []string) {
	for _, c := range containers(pod) {
		for _, p := range c.Ports {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

func serviceProblem(s corev1.Service, everyPod []*corev1.Pod) error {
	found, err := selected(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}, everyPod)
	if err != nil {
		return err
	}
	for _, pod := range found {
		for _, p := range s.Spec.Ports {
			if p.TargetPort.Type != intstr.String || !slices.Contains(portNames(pod), p.TargetPort.StrVal) {
				return fmt.Errorf("%s has no port %s", pod.Name, &p.TargetPort)
			}
		}
	}
	return nil
}

// policyProblem: each port of the Pods that a policy holds for is let in, and the
// policy is that of one Deployment.
func policyProblem(p networkingv1.NetworkPolicy, everyPod []*corev1.Pod) error {
	found, err := selected(&p.Spec.PodSelector, everyPod)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("it holds for %d sets of Pods", len(found))
	}
	var allowed []string
	for _, rule := range p.Spec.Ingress {
		for _, port := range rule.Ports {
			allowed = append(allowed, port.Port.String())
		}
	}
	slices.Sort(allowed)
	if want := portNames(found[0]); !slices.Equal(allowed, want) {
		return fmt.Errorf("it lets in %q, but %s has the ports %q", allowed, found[0].Name, want)
	}
	return nil
}

func apiServiceProblem(t testing.TB, o *object, all []*object) error {
	t.Helper()
	port := field[any](t, o, "spec", "service", "port")
	for _, other := range all {
		if other.String() != serviceReference(field[map[string]any](t, o, "spec", "service")) {
			continue
		}
		for _, p := range as[corev1.Service](t, other).Spec.Ports {
			if fmt.Sprint(p.Port) == fmt.Sprint(port) {
				return nil
			}
		}
	}
	return fmt.Errorf("its Service has no port %v", port)
}

func monitorProblem(t testing.TB, o *object, all []*object) error {
	t.Helper()
	var wants []string
	for _, e := range field[[]any](t, o, "spec", "endpoints") {
		wants = append(wants, fmt.Sprint(e.(map[string]any)["port"]))
	}
	s := labels.Set{}
	for name, value := range field[map[string]any](t, o, "spec", "selector", "matchLabels") {
		s[name] = fmt.Sprint(value)
	}
	var found []string
	for _, other := range all {
		if other.GetKind() != "Service" || !s.AsSelector().Matches(labels.Set(other.GetLabels())) {
			continue
		}
		for _, p := range as[corev1.Service](t, other).Spec.Ports {
			found = append(found, p.Name)
		}
	}
	if !slices.Equal(found, wants) {
		return fmt.Errorf("it scrapes the ports %q, and its Services have %q", wants, found)
	}
	return nil
}

// probeProblem: probes call ports by their names, and no two ports are the same.
func probeProblem(pod *corev1.Pod) error {
	numbers := map[int32]bool{}
	for _, c := range containers(pod) {
		for _, p := range c.Ports {
			if numbers[p.ContainerPort] {
				return fmt.Errorf("the port %d is there twice", p.ContainerPort)
			}
			numbers[p.ContainerPort] = true
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if probe != nil && !slices.Contains(portNames(pod), probe.HTTPGet.Port.StrVal) {
				return fmt.Errorf("a probe calls the port %s", &probe.HTTPGet.Port)
			}
		}
		if strings.HasPrefix(pod.Name, "deployment-") && (c.LivenessProbe == nil || c.ReadinessProbe == nil) {
			return fmt.Errorf("%s has no probes", c.Name)
		}
	}
	return nil
}
