package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
	"mckinsey.com/ark/test/process"
)

const (
	// namespace that Ark lives in.
	namespace = "ark-system"
	// patience bounds what a test waits for.
	patience = 90 * time.Second
	// helmLimit bounds one run of helm.
	helmLimit = 6 * time.Minute
)

// installation is the cluster, with kubectl and helm.
type installation struct {
	*kubectl.Client
	admin *rest.Config
	home  string
}

// begin gives a test the cluster, with the namespace of Ark, which keeps to the
// restricted profile, and nothing of Ark in it, before and afterwards.
func begin(t *testing.T) *installation {
	t.Helper()
	if why := os.Getenv(skippedVariable); why != "" {
		t.Skip(why)
	}
	kubeconfig := os.Getenv("KUBECONFIG")
	admin, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	admin.QPS, admin.Burst = 1000, 1000
	program, err := exec.LookPath("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{admin: admin, home: t.TempDir()}
	i.Client = &kubectl.Client{Program: program, Kubeconfig: kubeconfig, Home: i.home, Diagnose: i.diagnose}
	if _, err := i.Try("", "get", "namespace", namespace); err != nil {
		i.Run(t, "", "create", "namespace", namespace)
		i.Run(t, "", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	}
	t.Cleanup(func() { i.clean(t) })
	return i
}

// diagnose tells what the Pods look like and say.
func (i *installation) diagnose() string {
	var all []string
	for _, args := range [][]string{
		{"get", "pods,jobs,services,endpointslices", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/name=ark", "--tail=30", "--prefix", "--all-containers"},
	} {
		out, err := i.Try("", args...)
		if err != nil {
			out += err.Error()
		}
		all = append(all, process.Tail(out, 60))
	}
	return strings.Join(all, "\n")
}

// clean removes what a test has left, data included.
func (i *installation) clean(t *testing.T) {
	t.Helper()
	if _, err := i.tryHelm("uninstall", "ark", "-n", namespace, "--ignore-not-found", "--no-hooks", "--wait"); err != nil {
		t.Error(err)
	}
	var definitions []string
	for _, name := range strings.Fields(i.Run(t, "", "get", "crd", "-o", "name")) {
		if strings.Contains(name, "ark.mckinsey.com") {
			definitions = append(definitions, name)
		}
	}
	if len(definitions) > 0 {
		i.Run(t, "", append([]string{"delete", "--wait=true"}, definitions...)...)
	}
	i.Run(t, "", "delete", "secrets,configmaps,jobs,pods,leases", "-n", namespace, "--all", "--wait=true")
}

// tryHelm runs helm and returns what it printed; an error carries that too.
func (i *installation) tryHelm(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), helmLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "helm", args...)
	cmd.Dir = filepath.Join("..", "..") // the root of the repository
	cmd.Env = append(os.Environ(), "HOME="+i.home, "HELM_CACHE_HOME="+i.home+"/helm/cache", "HELM_CONFIG_HOME="+i.home+"/helm/config", "HELM_DATA_HOME="+i.home+"/helm/data")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

func (i *installation) helm(t testing.TB, args ...string) string {
	t.Helper()
	begin := time.Now()
	out, err := i.tryHelm(args...)
	t.Logf("helm %s: %s", args[0], time.Since(begin).Round(100*time.Millisecond))
	if err != nil {
		t.Fatalf("%v\n%s", err, i.diagnose())
	}
	return out
}

// helmFails runs helm, which must fail and say so in these words.
func (i *installation) helmFails(t testing.TB, wants []string, args ...string) {
	t.Helper()
	out, err := i.tryHelm(args...)
	if err == nil {
		t.Fatalf("helm %s did not fail:\n%s", strings.Join(args, " "), out)
	}
	kubectl.Contain(t, err.Error(), wants...)
}

// eventually repeats f until it returns nil, or fails the test at the limit.
func (i *installation) eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	i.Eventually(t, patience, what, f)
}

// says waits until the log of the Pods of a component has a text.
func (i *installation) says(t testing.TB, component string, wants ...string) {
	t.Helper()
	i.eventually(t, fmt.Sprintf("%s says %q", component, wants), func() error {
		out, err := i.Try("", "logs", "-n", namespace, "-l", "app.kubernetes.io/component="+component, "--tail=-1", "--all-containers")
		if err != nil {
			return err
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				return errors.New(process.Tail(out, 15))
			}
		}
		return nil
	})
}

// outside makes a Service that leads to a port of the node: one without a selector,
// as for anything that lives outside of the cluster.
func (i *installation) outside(t *testing.T, ns, name string, port, target int) {
	t.Helper()
	i.Run(t, fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {ports: [{name: main, port: %[3]d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-outside, namespace: %[2]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: main, port: %[4]d, protocol: TCP}]
endpoints: [{addresses: [%[5]s], conditions: {ready: true}}]
`, name, ns, port, target, os.Getenv("NODE_IP")), "apply", "-f", "-")
	t.Cleanup(func() { i.Run(t, "", "delete", "service/"+name, "endpointslice/"+name+"-outside", "-n", ns) })
}

// startModel starts a scripted model, which the cluster knows as a Service.
func startModel(t *testing.T, i *installation) *openai.Server {
	t.Helper()
	m := openai.StartAt(t, net.JoinHostPort(os.Getenv("NODE_IP"), "0"))
	i.outside(t, "default", "model", 80, m.Listener.Addr().(*net.TCPAddr).Port)
	m.URL = "http://model.default.svc.cluster.local"
	return m
}
