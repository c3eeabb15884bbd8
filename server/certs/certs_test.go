package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func ensure(t *testing.T, dir string, now time.Time) (Files, bool) {
	t.Helper()
	files, changed, err := Ensure(t.Context(), dir, net.IPv4(127, 0, 0, 1), now)
	if err != nil {
		t.Fatal(err)
	}
	return files, changed
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		damage                   func(t *testing.T, dir string)
		later                    time.Duration
		authority, server, admin bool // whether it is made anew
	}{
		"nothing happened": {later: 300 * day},
		"near the end":     {later: 340 * day, server: true, admin: true},
		"after the end":    {later: 400 * day, server: true, admin: true},
		"authority ends":   {later: 10*365*day - day, authority: true, server: true, admin: true},
		"server is missing": {damage: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "server.pem")); err != nil {
				t.Fatal(err)
			}
		}, server: true},
		"admin is damaged": {damage: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "admin.pem"), []byte("nonsense"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, admin: true},
		"authority lost its key": {damage: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
				t.Fatal(err)
			}
		}, authority: true, server: true, admin: true},
		"key of another": {damage: func(t *testing.T, dir string) {
			server, admin := read(t, filepath.Join(dir, "server.pem")), read(t, filepath.Join(dir, "admin.pem"))
			_, serverKey, _ := bytes.Cut(server, []byte("-----END CERTIFICATE-----\n"))
			adminCert, _, _ := bytes.Cut(admin, []byte("-----END CERTIFICATE-----\n"))
			mixed := append(append(adminCert, "-----END CERTIFICATE-----\n"...), serverKey...)
			if err := os.WriteFile(filepath.Join(dir, "admin.pem"), mixed, 0o600); err != nil {
				t.Fatal(err)
			}
		}, admin: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "pki")
			files, changed := ensure(t, dir, start)
			if !changed {
				t.Fatal("nothing was made")
			}
			authority, server, admin := read(t, files.Authority), read(t, files.Server), read(t, files.Admin)
			if c.damage != nil {
				c.damage(t, dir)
			}
			_, changed = ensure(t, dir, start.Add(c.later))
			if changed != (c.authority || c.server || c.admin) {
				t.Errorf("changed: %t", changed)
			}
			for file, was := range map[string]struct {
				text   []byte
				renews bool
			}{files.Authority: {authority, c.authority}, files.Server: {server, c.server}, files.Admin: {admin, c.admin}} {
				if bytes.Equal(read(t, file), was.text) == was.renews {
					t.Errorf("%s made anew: %t, want %t", filepath.Base(file), !was.renews, was.renews)
				}
			}
			checkChain(t, files, start.Add(c.later))
		})
	}
}

// checkChain verifies the certificates as a client and a server would.
func checkChain(t *testing.T, files Files, now time.Time) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, files.Authority))
	for file, o := range map[string]x509.VerifyOptions{
		files.Server: {DNSName: "localhost", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		files.Admin:  {KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	} {
		text := read(t, file)
		loaded, err := tls.X509KeyPair(text, text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		o.Roots, o.CurrentTime = roots, now
		if _, err := loaded.Leaf.Verify(o); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if file == files.Server {
			if err := loaded.Leaf.VerifyHostname("127.0.0.1"); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pki")
	files, _ := ensure(t, dir, start)
	kubeconfig := filepath.Join(dir, "sub", "kubeconfig")
	if err := WriteKubeconfig(kubeconfig, "https://127.0.0.1:1", files); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{files.Authority, files.Server, files.Admin, filepath.Join(dir, "ca.key"), kubeconfig} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", file, info.Mode().Perm())
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil || config.Host != "https://127.0.0.1:1" || len(config.CertData) == 0 || len(config.KeyData) == 0 || len(config.CAData) == 0 {
		t.Errorf("the kubeconfig is %v: %v", config, err)
	}
}

func TestEnsureSaysWhatFailed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Ensure(t.Context(), file, nil, start); err == nil {
		t.Error("a file served as a folder")
	}
}
