package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/internal/pgtest"
)

// installation is Ark beside a cluster, over a database of its own.
type installation struct {
	*cluster
	database string // url
	certFile string
	keyFile  string
}

// Values of the chart.
const (
	onEtcd       = "storage.backend=etcd"
	onPostgreSQL = "storage.backend=postgresql,storage.postgresql.host=none"
	apart        = "server.apart=true,controllers.apart=true,workers.apart=true"
)

// install grants Ark its rights, by values of the chart, makes its certificate and its
// database.
func install(t *testing.T, c *cluster, rights ...string) *installation {
	t.Helper()
	i := &installation{cluster: c, database: pgtest.URL(t), certFile: c.file("ark.crt"), keyFile: c.file("ark.key")}
	c.grant(t, onPostgreSQL, rights...)
	for _, module := range []string{"core", "server", "controllers", "workers"} {
		c.account(t, "ark-"+module)
	}
	i.issue(t)
	return i
}

// grant applies the rights, and the Secret of certificates, that the chart has for a
// backend and other values.
func (c *cluster) grant(t testing.TB, backend string, values ...string) {
	t.Helper()
	helm := exec.Command(filepath.Join(programs.dir, "helm"), "template", "ark", "../../chart", "-n", namespace,
		"--set", strings.Join(append([]string{backend}, values...), ","))
	helm.Env = append(os.Environ(), "HOME="+c.dir)
	out, err := helm.Output()
	if err != nil {
		t.Fatalf("render the chart: %v", err)
	}
	kinds := []string{"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret"}
	var granted []string
	for _, document := range strings.Split(string(out), "\n---\n") {
		var object metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("read what the chart renders: %v", err)
		}
		if slices.Contains(kinds, object.Kind) {
			granted = append(granted, document)
		}
	}
	c.Run(t, strings.Join(granted, "\n---\n"), "apply", "-f", "-")
}

// issue makes a new certificate for the servers.
func (i *installation) issue(t testing.TB) {
	t.Helper()
	hosts := []string{"ark-server." + namespace + ".svc", "localhost"}
	i.backend.issue(t, "ark-server", hosts, i.certFile, i.keyFile)
}

// module starts one module alone, with its own rights.
func (i *installation) module(t testing.TB, name string, extra ...string) *process {
	t.Helper()
	args := append([]string{name, "--kubeconfig", i.file("ark-" + name + ".kubeconfig"), "--database-url", i.database,
		"--storage-backend=postgresql", "--namespace", namespace, "--allow-loopback", "--metrics-bind-address=127.0.0.1:0",
		"--health-probe-bind-address=127.0.0.1:0"}, extra...)
	return i.start(t, "ark-"+name, programs.ark, args...)
}

// server starts `ark server` on a port.
func (i *installation) server(t testing.TB, port int, extra ...string) *process {
	t.Helper()
	return i.module(t, "server", append(i.serving(port), extra...)...)
}

// serving are the flags of a module that serves on a port.
func (i *installation) serving(port int) []string {
	return []string{"--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(port),
		"--tls-cert-file", i.certFile, "--tls-private-key-file", i.keyFile}
}
