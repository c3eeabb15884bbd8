// Package e2e_test runs Ark's modules as processes beside a real control plane
// (etcd, kube-apiserver, kube-controller-manager), and uses them through it as
// people do.
package e2e_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"mckinsey.com/ark/test/kubectl"
	proc "mckinsey.com/ark/test/process"
)

// namespace that Ark lives in.
const namespace = "ark-system"

// programs are built once.
var programs struct {
	dir string // kube-apiserver, etcd, kubectl ...
	ark string
}

func TestMain(m *testing.M) {
	log.SetLogger(klog.Background())
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func build(m *testing.M) (int, error) {
	var err error
	if programs.dir, err = proc.Programs("cluster"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "ark-e2e-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the program: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs.ark = filepath.Join(dir, "ark")
	build := exec.Command("go", "build", "-o", programs.ark, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build ark: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// cluster is a control plane of a test's own, with the namespace of Ark.
type cluster struct {
	*kubectl.Client // as an administrator
	admin           *rest.Config
	dir             string
	environment     *envtest.Environment
	backend         *authority // of the aggregated servers' certificates
	processes       []*process
}

// startCluster starts a control plane that ends with the test.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{dir: dir, backend: newAuthority(t, "ark-backend")}
	c.environment = &envtest.Environment{BinaryAssetsDirectory: programs.dir, ControlPlaneStartTimeout: time.Minute}
	c.frontProxy(t)
	admin, err := c.environment.Start()
	if err != nil {
		t.Fatalf("start the control plane: %v", err)
	}
	t.Cleanup(func() {
		if err := c.environment.Stop(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	c.admin = admin
	c.Client = &kubectl.Client{
		Program: filepath.Join(programs.dir, "kubectl"), Kubeconfig: c.file("admin.kubeconfig"), Home: dir, Diagnose: c.diagnose,
	}
	writeFile(t, c.Kubeconfig, c.environment.KubeConfig)
	c.controllerManager(t)
	c.Run(t, "", "create", "namespace", namespace)
	return c
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) diagnose() string {
	var all []string
	for _, p := range c.processes {
		all = append(all, p.tail())
	}
	return strings.Join(all, "\n")
}

// frontProxy has the cluster's API server introduce itself, and its users, to
// aggregated servers: with certificates of an authority of its own.
func (c *cluster) frontProxy(t *testing.T) {
	t.Helper()
	front := newAuthority(t, "front-proxy")
	writeFile(t, c.file("front-proxy-ca.crt"), front.pem)
	front.issue(t, "front-proxy-client", nil, c.file("front-proxy.crt"), c.file("front-proxy.key"))
	flags := c.environment.ControlPlane.GetAPIServer().Configure()
	for name, value := range map[string]string{
		"requestheader-client-ca-file":       c.file("front-proxy-ca.crt"),
		"requestheader-allowed-names":        "front-proxy-client",
		"requestheader-username-headers":     "X-Remote-User",
		"requestheader-uid-headers":          "X-Remote-Uid",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"proxy-client-cert-file":             c.file("front-proxy.crt"),
		"proxy-client-key-file":              c.file("front-proxy.key"),
		"endpoint-reconciler-type":           "none",
		"enable-aggregator-routing":          "false",
	} {
		flags.Set(name, value)
	}
}

// controllerManager empties namespaces, collects garbage, makes service accounts
// and adds roles up.
func (c *cluster) controllerManager(t *testing.T) {
	t.Helper()
	user, err := c.environment.AddUser(envtest.User{Name: "controller-manager", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := c.file("controller-manager.kubeconfig")
	writeFile(t, kubeconfig, must(user.KubeConfig())(t))
	writeFile(t, c.file("ca.crt"), c.admin.CAData)
	c.start(t, "kube-controller-manager", filepath.Join(programs.dir, "kube-controller-manager"),
		"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(freePort(t)), "--cert-dir", c.file("controller-manager"),
		"--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file", filepath.Join(c.environment.ControlPlane.GetAPIServer().CertDir, "sa-signer.key"),
		"--root-ca-file", c.file("ca.crt"), "--kube-api-qps", "500", "--kube-api-burst", "1000")
}

func (c *cluster) start(t testing.TB, name, program string, args ...string) *process {
	t.Helper()
	p := run(t, name, program, args...)
	c.processes = append(c.processes, p)
	return p
}

// account writes a kubeconfig with the rights of a service account in the
// namespace of Ark.
func (c *cluster) account(t testing.TB, name string) string {
	t.Helper()
	if _, err := c.Try("", "get", "serviceaccount", name, "-n", namespace); err != nil {
		c.Run(t, "", "create", "serviceaccount", name, "-n", namespace)
	}
	token := strings.TrimSpace(c.Run(t, "", "create", "token", name, "-n", namespace, "--duration=2h"))
	file := c.file(name + ".kubeconfig")
	writeFile(t, file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, c.admin.Host, base64.StdEncoding.EncodeToString(c.admin.CAData), token))
	return file
}

// aggregate has the cluster's API server send the group to a port of this machine.
func (c *cluster) aggregate(t testing.TB, port int) {
	t.Helper()
	c.Run(t, externalService("ark-server", port)+apiServiceManifests(port, c.backend.pem), "apply", "-f", "-")
}

// externalService leads to a port of this machine.
func externalService(name string, port int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec: {type: ExternalName, externalName: localhost, ports: [{port: %d}]}
`, name, namespace, port)
}

// apiServiceManifests have the cluster send the group to a port of the Service ark-server,
// whose certificate is signed by an authority; nil: none is trusted yet, as in the chart.
func apiServiceManifests(port int, authority []byte) string {
	var all strings.Builder
	for _, version := range []string{"v1alpha1", "v1prealpha1"} {
		fmt.Fprintf(&all, `---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: %s.ark.mckinsey.com}
spec:
  group: ark.mckinsey.com
  version: %s
  groupPriorityMinimum: 1000
  versionPriority: 15
  service: {name: ark-server, namespace: %s, port: %d}
`, version, version, namespace, port)
		if authority != nil {
			fmt.Fprintf(&all, "  caBundle: %s\n", base64.StdEncoding.EncodeToString(authority))
		}
	}
	return all.String()
}

// available waits until the cluster's API server reaches Ark's.
func (c *cluster) available(t testing.TB) {
	t.Helper()
	for _, version := range []string{"v1alpha1", "v1prealpha1"} {
		c.Run(t, "", "wait", "--for=condition=Available", "--timeout=90s", "apiservice/"+version+".ark.mckinsey.com")
	}
}
