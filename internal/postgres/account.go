package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is the user that the server's programs run as; nil is the user of
// this process.
type account struct {
	name     string
	uid, gid int
}

// ErrOwner says that a data directory is of another user than the one whom this
// process could run PostgreSQL as.
var ErrOwner = errors.New("data directory of another user")

// candidates are whom root runs PostgreSQL as, the first that exists.
var candidates = []string{"postgres", "nobody"}

// serverAccount returns whom to run PostgreSQL as: root may not.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range candidates {
		u, err := user.Lookup(name)
		if err != nil {
			var unknown user.UnknownUserError
			if errors.As(err, &unknown) {
				continue
			}
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, fmt.Errorf("uid of user %s: %w", name, err)
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, fmt.Errorf("gid of user %s: %w", name, err)
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// accountOf returns whom to run PostgreSQL as over the data directory. PostgreSQL
// works on data of its own user only, so another user's data is refused before
// anything in it is written: that user could not open it any more. Root goes on
// as the account that it made the data as, whichever of them exist today.
func accountOf(dir string) (*account, error) {
	a, err := serverAccount()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return a, nil // no data yet, or none to be read: the next step says so
	}
	if err != nil {
		return nil, fmt.Errorf("look at the data directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() || a != nil && int(stat.Uid) == a.uid {
		return a, nil
	}
	owner := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(owner); err == nil { // a user without a name has its number
		owner = u.Username
	}
	if a != nil && slices.Contains(candidates, owner) {
		return &account{name: owner, uid: int(stat.Uid), gid: int(stat.Gid)}, nil
	}
	return nil, fmt.Errorf("%w: %s belongs to user %s: run ark as that user, or choose another folder", ErrOwner, dir, owner)
}

// own gives a file or folder to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// command prepares one of PostgreSQL's programs: as the account, in a
// process group of its own (a Ctrl-C at the terminal is for the parent, which
// stops the server in order), and untouched by the caller's PG variables.
func (a *account) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// reachable returns an error that names the folder in the way if the account
// cannot get to the absolute path, whose last parts need not exist yet. Only
// root can have that problem: a folder in /root is closed to others.
func (a *account) reachable(path string) error {
	if a == nil {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if err == nil && !a.mayEnter(info) {
			return fmt.Errorf("%s is closed to user %s, which PostgreSQL has to run as instead of root: choose a folder outside of it", dir, a.name)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a *account) mayEnter(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(stat.Uid) == a.uid:
		return info.Mode().Perm()&0o100 != 0
	case ok && int(stat.Gid) == a.gid:
		return info.Mode().Perm()&0o010 != 0
	default:
		return info.Mode().Perm()&0o001 != 0
	}
}
