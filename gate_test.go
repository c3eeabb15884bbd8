package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/test/process"
)

// TestGate has a database mended step by step: each reason is logged once, is what
// readiness says, and passes by itself.
func TestGate(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	file := filepath.Join(t.TempDir(), "password")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lines := make(process.LogLines, 100)
	ctx = klog.NewContext(ctx, klog.New(lines))
	pool, err := pg.Source{URL: u.String(), PasswordFile: file}.NewPool(ctx, pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	g := newGate(pool, "this cluster")
	ended := make(chan error, 1)
	go func() { ended <- g.wait(ctx) }()
	for _, step := range []struct{ password, says string }{
		{"", "read the password of the database: open " + file},
		{"wrong", "PostgreSQL refuses the password of user "},
		{password, "The database is there"},
	} {
		if step.password != "" {
			replaceFile(t, file, step.password)
		}
		select {
		case line := <-lines:
			if !strings.Contains(line, step.says) || strings.Contains(line, password) {
				t.Fatalf("the log says %q, want %q", line, step.says)
			}
		case <-ctx.Done():
			t.Fatalf("the log does not say %q", step.says)
		}
		if step.password == password {
			break
		}
		if err := g.check().Check(&http.Request{}); err == nil || !strings.Contains(err.Error(), step.says) {
			t.Errorf("readiness says %v, want %q", err, step.says)
		}
	}
	if err := <-ended; err != nil || g.check().Check(&http.Request{}) != nil {
		t.Errorf("the gate is not open: %v", err)
	}
	if len(lines) > 0 {
		t.Errorf("the log says more: %q", <-lines)
	}
}

// replaceFile writes a file at once, as the kubelet does: nobody sees half of it.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
