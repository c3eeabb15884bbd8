package chart_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pods returns the Pods that the objects of a set lead to, each by the name of what
// makes it.
func pods(t testing.TB, all []*object) []*corev1.Pod {
	t.Helper()
	var found []*corev1.Pod
	for _, o := range all {
		var template corev1.PodTemplateSpec
		switch o.GetKind() {
		case "Deployment":
			template = as[appsv1.Deployment](t, o).Spec.Template
		case "Job":
			template = as[batchv1.Job](t, o).Spec.Template
		case "Pod":
			pod := as[corev1.Pod](t, o)
			template = corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
		default:
			continue
		}
		pod := &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec,
		}
		pod.Name, pod.Namespace = strings.ToLower(o.GetKind())+"-"+o.GetName(), o.GetNamespace()
		found = append(found, pod)
	}
	return found
}

func containers(pod *corev1.Pod) []corev1.Container {
	return slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
}

// Every Pod keeps to the restricted profile, says what it needs, and is told no
// secret by its environment.
func TestPods(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		found := pods(t, objects(t, set))
		if len(found) < 2 {
			t.Fatalf("there are %d Pods", len(found))
		}
		for _, pod := range found {
			problems := podProblems(&pod.Spec)
			for _, c := range containers(pod) {
				problems = slices.Concat(problems,
					securityProblems(&pod.Spec, &c), resourceProblems(&c), environmentProblems(&c), mountProblems(&pod.Spec, &c))
			}
			for _, problem := range problems {
				t.Errorf("%s: %s", pod.Name, problem)
			}
		}
	})
}

// podProblems is what the restricted profile of Pod Security forbids to a Pod.
func podProblems(spec *corev1.PodSpec) (problems []string) {
	if spec.HostNetwork || spec.HostPID || spec.HostIPC {
		problems = append(problems, "it shares namespaces with its node")
	}
	if s := spec.SecurityContext; s != nil && len(s.Sysctls) > 0 {
		problems = append(problems, "it sets sysctls")
	}
	for _, v := range spec.Volumes {
		if v.Secret == nil && v.EmptyDir == nil && v.ConfigMap == nil && v.Projected == nil {
			problems = append(problems, "the volume "+v.Name+" is of an unusual kind")
		}
	}
	return problems
}

// securityProblems is what the restricted profile, and the chart itself, forbid to a
// container.
func securityProblems(spec *corev1.PodSpec, c *corev1.Container) (problems []string) {
	forbid := func(wrong bool, what string) {
		if wrong {
			problems = append(problems, c.Name+": "+what)
		}
	}
	pod, own := spec.SecurityContext, c.SecurityContext
	if pod == nil || own == nil {
		return []string{c.Name + ": there is no security context"}
	}
	forbid(pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot || own.RunAsNonRoot != nil, "runAsNonRoot is not the Pod's")
	forbid(pod.RunAsUser == nil || *pod.RunAsUser == 0 || own.RunAsUser != nil, "runAsUser is not the Pod's")
	forbid(pod.RunAsGroup == nil || *pod.RunAsGroup == 0, "it may run as the group of root")
	forbid(pod.FSGroup == nil, "fsGroup is missing: it cannot read what is mounted")
	forbid(pod.SeccompProfile == nil || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault, "seccompProfile is not RuntimeDefault")
	forbid(own.SeccompProfile != nil, "seccompProfile is not the Pod's")
	forbid(own.Privileged != nil && *own.Privileged, "it is privileged")
	forbid(own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation, "privileges may escalate")
	forbid(own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem, "the root file system is writable")
	forbid(own.ProcMount != nil, "procMount is set")
	forbid(own.Capabilities == nil || !slices.Equal(own.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(own.Capabilities.Add) > 0,
		"capabilities are left")
	for _, p := range c.Ports {
		forbid(p.HostPort != 0, "it takes a port of its node")
	}
	return problems
}

// resourceProblems: a Pod without requests is put anywhere and is the first to go;
// one without a limit of memory takes that of its neighbours.
func resourceProblems(c *corev1.Container) (problems []string) {
	for what, list := range map[string][]corev1.ResourceName{
		"requests": {corev1.ResourceCPU, corev1.ResourceMemory}, "limits": {corev1.ResourceMemory},
	} {
		values := c.Resources.Requests
		if what == "limits" {
			values = c.Resources.Limits
		}
		for _, name := range list {
			if q, ok := values[name]; !ok || q.Sign() <= 0 {
				problems = append(problems, fmt.Sprintf("%s: resources.%s.%s is missing", c.Name, what, name))
			}
		}
	}
	return problems
}

var secretName = regexp.MustCompile(`(?i)passw|secret|token|credential|private|_key$`)

// environmentProblems: an environment is inherited, and printed by many a tool;
// secrets are files.
func environmentProblems(c *corev1.Container) (problems []string) {
	if len(c.EnvFrom) > 0 {
		problems = append(problems, c.Name+": envFrom takes whatever is there")
	}
	names := map[string]bool{}
	for _, e := range c.Env {
		if names[e.Name] {
			problems = append(problems, c.Name+": "+e.Name+" is set twice")
		}
		names[e.Name] = true
		if secretName.MatchString(e.Name) || e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			problems = append(problems, c.Name+": "+e.Name+" is a secret")
		}
	}
	return problems
}

// mountProblems: each mount has a volume, and each volume is mounted.
func mountProblems(spec *corev1.PodSpec, c *corev1.Container) (problems []string) {
	volumes, mounts := map[string]bool{}, map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = true
	}
	if !maps.Equal(volumes, mounts) {
		problems = append(problems, fmt.Sprintf("%s mounts %v of the volumes %v", c.Name, mounts, volumes))
	}
	return problems
}

// What is said to hold for all Pods holds for those of hooks too: where a mesh adds
// its container to each Pod that does not decline, a Job would never end.
func TestAllPods(t *testing.T) {
	for _, pod := range pods(t, objects(t, "postgresql-tuned", "--set", "check.enabled=true")) {
		t.Run(pod.Name, func(t *testing.T) {
			want := func(ok bool, what string) {
				if !ok {
					t.Errorf("%s does not count", what)
				}
			}
			want(pod.Labels["team"] == "agents" && pod.Labels["cost-center"] == "4711", "podLabels")
			want(pod.Annotations["sidecar.istio.io/inject"] == "false", "podAnnotations")
			want(pod.Spec.NodeSelector["kubernetes.io/arch"] == "amd64", "nodeSelector")
			want(len(pod.Spec.Tolerations) == 1, "tolerations")
			want(pod.Spec.Affinity != nil && pod.Spec.Affinity.NodeAffinity != nil, "affinity")
			want(pod.Spec.PriorityClassName == "agents", "priorityClassName")
			want(len(pod.Spec.ImagePullSecrets) == 2, "image.pullSecrets")
			for _, c := range containers(pod) {
				want(c.Image == "registry.example.com:5000/ark:1.2" && c.ImagePullPolicy == corev1.PullAlways, "image")
				want(slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "HTTPS_PROXY" }), "extraEnv")
			}
		})
	}
}
