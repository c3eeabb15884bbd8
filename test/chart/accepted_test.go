package chart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/test/kubectl"
)

// A real kube-apiserver takes every object of every set, and every Pod that they
// lead to, in a namespace that enforces the restricted profile: without a warning.
func TestAccepted(t *testing.T) {
	client := startCluster(t)
	client.MustFail(t, "", []string{"violates PodSecurity", "restricted"},
		"run", "anyhow", "--image=anything", "-n", namespace, "--dry-run=server")
	eachSet(t, func(t *testing.T, set string) {
		all := objects(t, set)
		var documents, accounts []string
		for _, o := range all {
			documents = append(documents, o.document)
			if o.GetKind() == "ServiceAccount" {
				accounts = append(accounts, o.document)
			}
		}
		// No Pod is accepted without its account.
		client.Run(t, join(accounts), "apply", "-f", "-")
		accepted(t, client, documents, "apply")
		documents = nil
		for _, pod := range pods(t, all) {
			documents = append(documents, marshal(t, pod))
		}
		accepted(t, client, documents, "create")
	})
}

func accepted(t *testing.T, client *kubectl.Client, documents []string, verb string) {
	t.Helper()
	out := client.Run(t, join(documents), verb, "--dry-run=server", "--validate=strict", "-f", "-")
	if strings.Contains(out, "Warning") {
		t.Errorf("there are warnings:\n%s", out)
	}
	if got := strings.Count(out, "(server dry run)"); got != len(documents) {
		t.Errorf("%d of %d objects were accepted:\n%s", got, len(documents), out)
	}
}

func join(documents []string) string { return strings.Join(documents, "\n---\n") }

func marshal(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	text, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startCluster starts a control plane that ends with the test, with what the sets
// of values expect of a cluster.
func startCluster(t *testing.T) *kubectl.Client {
	t.Helper()
	log.SetLogger(klog.Background())
	environment := &envtest.Environment{
		BinaryAssetsDirectory: filepath.Dir(program(t, "kubectl")), ControlPlaneStartTimeout: time.Minute,
	}
	// Whether accounts are there is checked in a cluster: here too.
	environment.ControlPlane.GetAPIServer().Configure().Disable("disable-admission-plugins")
	if _, err := environment.Start(); err != nil {
		t.Fatalf("start the control plane: %v", err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	dir := t.TempDir()
	client := &kubectl.Client{
		Program: program(t, "kubectl"), Kubeconfig: filepath.Join(dir, "admin.kubeconfig"), Home: dir,
	}
	if err := os.WriteFile(client.Kubeconfig, environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	client.Run(t, "", "apply", "--validate=strict", "-f", "testdata")
	client.Run(t, "", "wait", "--for=condition=Established", "--timeout=30s", "-f", filepath.Join("testdata", "definitions.yaml"))
	return client
}
