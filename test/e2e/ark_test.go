package e2e_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"mckinsey.com/ark/internal/pgtest"
)

// installation is Ark beside a cluster, over a database of its own.
type installation struct {
	*cluster
	database string // url
	certFile string
	keyFile  string
}

// install grants Ark its rights, makes its certificate and its database.
func install(t *testing.T, c *cluster) *installation {
	t.Helper()
	i := &installation{cluster: c, database: pgtest.URL(t), certFile: c.file("ark.crt"), keyFile: c.file("ark.key")}
	c.grant(t, "../../chart/files/rbac")
	for _, module := range []string{"core", "server", "controllers", "workers"} {
		c.account(t, "ark-"+module)
	}
	i.issue(t)
	return i
}

// grant applies the manifests of a folder, not those below it.
func (c *cluster) grant(t testing.TB, folder string) {
	t.Helper()
	rights, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(rights) == 0 {
		t.Fatalf("find the manifests of rights in %s: %v", folder, err)
	}
	for _, file := range rights {
		c.Run(t, "", "apply", "-f", file)
	}
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
