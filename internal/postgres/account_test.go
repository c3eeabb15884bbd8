package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func onlyAsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as somebody else")
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	onlyAsRoot(t)
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	open := dataDir(t)
	closed := filepath.Join(t.TempDir(), "data") // go test makes it for its own user only
	if err := os.Chmod(filepath.Dir(closed), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := a.reachable(open); err != nil {
		t.Errorf("%s: %v", open, err)
	}
	if err := a.reachable(closed); err == nil || !strings.Contains(err.Error(), filepath.Dir(closed)) {
		t.Errorf("%s: got %v, want an error that names the closed folder", closed, err)
	}
}

// owners returns whom each file below the folder belongs to.
func owners(t *testing.T, dir string) map[string]uint32 {
	t.Helper()
	found := map[string]uint32{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path] = info.Sys().(*syscall.Stat_t).Uid
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func give(t *testing.T, dir string, uid, gid int) {
	t.Helper()
	for path := range owners(t, dir) {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDataOfAnotherUser is what sudo does to the data of a person: nothing.
func TestDataOfAnotherUser(t *testing.T) {
	t.Parallel()
	onlyAsRoot(t)
	const person = 54321
	dir := dataDir(t)
	if err := start(t, Options{DataDir: dir}).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	give(t, filepath.Dir(dir), person, person)
	before := owners(t, filepath.Dir(dir))
	s, err := Start(t.Context(), Options{DataDir: dir})
	if err == nil {
		t.Fatalf("it started: %v", s.Stop(t.Context()))
	}
	if !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), strconv.Itoa(person)) {
		t.Errorf("error %q does not name the user", err)
	}
	if after := owners(t, filepath.Dir(dir)); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the files belonged to %v, and then to %v", before, after)
	}
}

// TestDataOfNobody is data from the time when there was no user postgres.
func TestDataOfNobody(t *testing.T) {
	t.Parallel()
	onlyAsRoot(t)
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	if err := start(t, Options{DataDir: dir}).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	give(t, dir, uid, gid)
	s := start(t, Options{DataDir: dir})
	if err := ping(t.Context(), s.URL()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, logFile)); err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("the log is not nobody's any more: %v", err)
	}
}
