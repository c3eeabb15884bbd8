package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/sql/admin"
)

// dataDir is a folder that also the user can reach whom root runs PostgreSQL as.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ark-postgres-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.NoSync, o.DieWithParent = true, true
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func hasDatabase(t *testing.T, url, name string) bool {
	t.Helper()
	names, err := admin.ListDatabases(t.Context(), connect(t, url), name)
	if err != nil {
		t.Fatal(err)
	}
	return len(names) == 1
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := start(t, Options{DataDir: dir, Database: "ark"})
	if err := admin.CreateDatabase(t.Context(), connect(t, first.URL()), "kept"); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), first.URL()); err == nil {
		t.Fatal("the server answers after Stop")
	}
	second := start(t, Options{DataDir: dir, Database: "ark"})
	if second.URL() != first.URL() {
		t.Errorf("the URL changed from %s to %s", first.URL(), second.URL())
	}
	if !hasDatabase(t, second.URL(), "kept") {
		t.Error("what was written before the stop is gone")
	}
}

func TestOnlyTheOwnerGetsIn(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, Options{DataDir: dir})
	if conn, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), s.password, "guess", 1)); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password is accepted")
	}
	for _, path := range []string{dir, filepath.Join(dir, passwordFile), filepath.Join(dir, logFile)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, others can read it", path, info.Mode())
		}
	}
}

func TestKilledServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, Options{DataDir: dataDir(t)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for range 2 {
		killed := s.PID()
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		back, err := waitUntil(t.Context(), time.Minute, func() bool { return s.PID() != killed && ping(t.Context(), s.URL()) == nil })
		if err != nil || !back {
			t.Fatalf("the server is not back: %v", err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if err := ping(t.Context(), s.URL()); err == nil {
		t.Error("the server answers after Run has ended")
	}
}

// TestOrphan kills the process that started a server; the server is left behind,
// and the next start over its data takes its place.
func TestOrphan(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	parent := exec.Command(os.Args[0], "-test.run=^TestHelperStartsServer$")
	parent.Env = append(os.Environ(), "ARK_TEST_START_SERVER="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	var pid int
	if _, err := fmt.Fscanf(out, "%s %d\n", &url, &pid); err != nil {
		t.Fatalf("read what the helper says: %v", err)
	}
	if err := admin.CreateDatabase(t.Context(), connect(t, url), "kept"); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Fatal("the helper was to be killed, and ended well")
	}
	if err := ping(t.Context(), url); err != nil {
		t.Fatalf("the server ended with its parent, so this tests nothing: %v", err)
	}
	s := start(t, Options{DataDir: dir})
	if s.PID() == pid || servesDir(t.Context(), pid, dir) {
		t.Errorf("process %d still runs", pid)
	}
	if s.URL() != url || !hasDatabase(t, s.URL(), "kept") {
		t.Errorf("not the same data at %s, before %s", s.URL(), url)
	}
}

// TestHelperStartsServer is the process that TestOrphan kills.
func TestHelperStartsServer(t *testing.T) {
	dir := os.Getenv("ARK_TEST_START_SERVER")
	if dir == "" {
		t.Skip("a helper of TestOrphan")
	}
	s, err := Start(t.Context(), Options{DataDir: dir, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(s.URL(), s.PID())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	select {} // until it is killed
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	used := dataDir(t)
	start(t, Options{DataDir: used})
	for name, test := range map[string]struct {
		prepare func(t *testing.T) Options
		is      error
		says    []string
	}{
		"another version": {
			prepare: func(t *testing.T) Options { return Options{DataDir: withFile(t, "PG_VERSION", "9\n")} },
			is:      ErrVersion, says: []string{"PostgreSQL 9", "installed is PostgreSQL 1"},
		},
		"not PostgreSQL's": {
			prepare: func(t *testing.T) Options { return Options{DataDir: withFile(t, "letter.txt", "dear")} },
			says:    []string{"is not empty"},
		},
		"in use": {
			prepare: func(*testing.T) Options { return Options{DataDir: used} },
			is:      errLocked, says: []string{used, fmt.Sprint(os.Getpid())},
		},
		"a setting that is none": {
			prepare: func(t *testing.T) Options {
				return Options{DataDir: dataDir(t), NoSync: true, Settings: map[string]string{"max_connections": "many"}}
			},
			is: errEnded, says: []string{"max_connections"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := test.prepare(t)
			s, err := Start(t.Context(), o)
			if err == nil {
				t.Fatalf("it started: %v", s.Stop(t.Context()))
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
		})
	}
}

func withFile(t *testing.T, name, content string) string {
	t.Helper()
	dir := dataDir(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInterruptedInitIsRepeated(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := os.Mkdir(dir+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir+".new", "PG_VERSION"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ping(t.Context(), start(t, Options{DataDir: dir}).URL()); err != nil {
		t.Error(err)
	}
}
