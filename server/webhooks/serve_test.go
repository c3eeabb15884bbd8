package webhooks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mckinsey.com/ark/server/webhooks"
)

const patience = 30 * time.Second

// The module is ready once it can be called, shows a new certificate without being
// started again, and ends with its context.
func TestServe(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	o := webhooks.Options{Host: "127.0.0.1", Port: port, CertDir: dir}
	if err := newModule(t, o).Run(t.Context()); err == nil {
		t.Error("it runs without certificates")
	}
	writeCertificate(t, dir, 1)
	m := newModule(t, o)
	if m.Ready(nil) == nil {
		t.Error("it is ready before it runs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	eventually(t, "it is ready", func() bool { return m.Ready(nil) == nil })
	if n := shown(t, port); n != 1 {
		t.Errorf("it shows certificate %d", n)
	}
	writeCertificate(t, dir, 2)
	eventually(t, "it shows the new certificate", func() bool { return shown(t, port) == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m.Ready(nil) == nil {
		t.Error("it is ready when it has ended")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []webhooks.Options{{CertDir: "x"}, {Reader: newReader()}} {
		if _, err := webhooks.New(o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
}

// shown is the number of the certificate that is shown.
func shown(t *testing.T, port int) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// writeCertificate replaces the certificate and its key, as Kubernetes does in a
// folder of a Secret.
func writeCertificate(t *testing.T, dir string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, ".."+strconv.FormatInt(number, 10))
	if err := os.Mkdir(version, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(version, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, name)
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), link); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(filepath.Base(version), filepath.Join(dir, "..new")); err != nil {
		t.Fatal(err)
	}
	former, _ := filepath.EvalSymlinks(filepath.Join(dir, "..data")) // empty at first
	if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(former); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
