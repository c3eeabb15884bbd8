package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/klog/v2"
)

const (
	superuser    = "ark"
	passwordFile = "ark.password"
	portFile     = "ark.port"
	logFile      = "ark.log"
)

// ErrVersion says that a data directory was made by another major version of
// PostgreSQL than the ones that are installed here.
var ErrVersion = errors.New("data directory of another PostgreSQL version")

// binariesFor returns the installation that can open the data directory: the
// given one, or one that is found; any if there is no data directory yet.
func binariesFor(ctx context.Context, progress io.Writer, dir string, given Binaries) (Binaries, error) {
	version, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if given.Dir != "" {
			return given, nil
		}
		return find(ctx, progress, anyMajor)
	}
	if err != nil {
		return Binaries{}, fmt.Errorf("read the version of the data directory: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(version)))
	if err != nil {
		return Binaries{}, fmt.Errorf("the version of data directory %s is %q: %w", dir, version, err)
	}
	if given.Dir != "" {
		if given.Major != major {
			return Binaries{}, versionError(dir, major, given)
		}
		return given, nil
	}
	b, _ := installed(ctx, func(m int) bool { return m == major })
	if b.Dir != "" {
		return b, nil
	}
	if major == npmMajor {
		if b, err = installWithNPM(ctx, progress); err == nil {
			return b, nil
		}
	}
	other, _ := installed(ctx, anyMajor)
	return Binaries{}, errors.Join(versionError(dir, major, other), err)
}

// versionError says what is to be done about data of another version than what
// is installed, which may be nothing.
func versionError(dir string, major int, other Binaries) error {
	there := "no PostgreSQL is installed"
	if other.Dir != "" {
		there = fmt.Sprintf("installed is PostgreSQL %d (%s)", other.Major, other.Dir)
	}
	return fmt.Errorf("%w: %s was made by PostgreSQL %d, %s: "+
		"install PostgreSQL %d, move the data with pg_upgrade, or choose another folder", ErrVersion, dir, major, there, major)
}

// initialize makes the data directory unless it is there. It is made under
// another name and renamed, so that what is there is complete, with its password.
func (s *Server) initialize(ctx context.Context) error {
	dir := s.options.DataDir
	if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); err == nil {
		return nil
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and not a PostgreSQL data directory: choose another folder", dir)
	}
	klog.FromContext(ctx).Info("Making a PostgreSQL data directory", "folder", dir, "major", s.options.Binaries.Major)
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	if err := s.initdb(ctx, tmp); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace the empty folder: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("put the data directory in place: %w", err)
	}
	return nil
}

func (s *Server) initdb(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := s.account.own(dir); err != nil {
		return err
	}
	// initdb wants an empty folder: the password comes from beside it.
	secret := dir + ".password"
	defer func() { _ = os.Remove(secret) }() // after the rename there is nothing to remove
	if err := writeOwned(s.account, secret, rand.Text()); err != nil {
		return err
	}
	args := []string{"--pgdata", dir, "--username", superuser, "--pwfile", secret, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--no-instructions"}
	if s.options.NoSync {
		args = append(args, "--no-sync")
	}
	cmd := s.account.command(ctx, s.options.Binaries.Path("initdb"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a PostgreSQL data directory: %w\n%s", err, out)
	}
	if err := os.Rename(secret, filepath.Join(dir, passwordFile)); err != nil {
		return fmt.Errorf("keep the password: %w", err)
	}
	return nil
}

// writeOwned writes a file that only the server's account (and root) may read.
func writeOwned(a *account, path, content string) error {
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return a.own(path)
}

func readTrimmed(path string) (string, error) {
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}
