package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run becomes the container of the specification: the first process of its
// namespaces, which starts the program, passes signals on and buries the dead.
func Run() error {
	runtime.LockOSThread() // some settings are those of a thread
	if len(os.Args) != 3 {
		return errors.New("container: the file of its specification is missing")
	}
	content, err := os.ReadFile(os.Args[2])
	if err != nil {
		return fmt.Errorf("read the specification: %w", err)
	}
	var s Spec
	if err := json.Unmarshal(content, &s); err != nil {
		return fmt.Errorf("read the specification: %w", err)
	}
	if err := s.fileSystem(); err != nil {
		return fmt.Errorf("put the file system together: %w", err)
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	return s.run()
}

// run starts the program and ends as it does.
func (s *Spec) run() error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	program, err := s.program()
	if err != nil {
		return err
	}
	child, err := syscall.ForkExec(program, s.Args, &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: []uintptr{0, 1, 2}, Sys: s.attributes(),
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Args[0], err)
	}
	go func() {
		for received := range signals {
			if number, ok := received.(syscall.Signal); ok && number != syscall.SIGCHLD && number != syscall.SIGURG {
				_ = syscall.Kill(child, number) // it may have ended
			}
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for %s: %w", s.Args[0], err)
		case pid != child:
		case status.Signaled():
			os.Exit(128 + int(status.Signal()))
		case status.Exited():
			os.Exit(status.ExitStatus())
		}
	}
}

// program finds what is to run, on the PATH of the container.
func (s *Spec) program() (string, error) {
	if strings.Contains(s.Args[0], "/") {
		if _, err := os.Stat(s.Args[0]); err != nil {
			return "", fmt.Errorf("find the program: %w", err)
		}
		return s.Args[0], nil
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, variable := range s.Env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value
		}
	}
	for _, dir := range filepath.SplitList(search) {
		file := filepath.Join(dir, s.Args[0])
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("find the program: %w", &exec.Error{Name: s.Args[0], Err: exec.ErrNotFound})
}

func (s *Spec) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if !s.Rootless {
		groups := make([]uint32, 0, len(s.Groups))
		for _, g := range s.Groups {
			groups = append(groups, uint32(g))
		}
		a.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID), Groups: groups}
		return a
	}
	a.Cloneflags = unix.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: s.UID, HostID: 0, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: s.GID, HostID: 0, Size: 1}}
	return a
}

// fileSystem puts the root together from the image, the volumes and what every
// container has, and makes it the root of this process.
func (s *Spec) fileSystem() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts inside: %w", err)
	}
	if err := unix.Mount("tmpfs", s.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("make a root: %w", err)
	}
	if err := s.expose("/"); err != nil {
		return err
	}
	if err := s.devices(); err != nil {
		return err
	}
	mounts := slices.Clone(s.Mounts)
	slices.SortFunc(mounts, func(a, b Mount) int { return strings.Compare(a.Target, b.Target) }) // outer ones first
	for _, m := range mounts {
		if err := bind(m.Source, filepath.Join(s.Root, m.Target), m.ReadOnly); err != nil {
			return err
		}
	}
	return s.pivot()
}

// expose binds what the image has at a path, unless something is mounted below it:
// then the folder is one of the container's own, with the rest of the image in it.
func (s *Spec) expose(at string) error {
	entries, err := os.ReadDir(filepath.Join(s.Image, at))
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	for _, entry := range entries {
		inside := path.Join(at, entry.Name())
		source, target := filepath.Join(s.Image, inside), filepath.Join(s.Root, inside)
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(source)
			if err == nil {
				err = os.Symlink(link, target)
			}
			if err != nil {
				return fmt.Errorf("copy a link of the image: %w", err)
			}
		case entry.IsDir() && s.mountsBelow(inside):
			if err := os.MkdirAll(target, 0o755); err != nil {
				return fmt.Errorf("make %s: %w", inside, err)
			}
			if err := s.expose(inside); err != nil {
				return err
			}
		case s.mountsAt(inside): // hidden by it
		default:
			if err := bind(source, target, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// ours are the folders that every container has files of its own in.
var ours = []string{"/dev/x", "/proc/x", "/etc/x"}

func (s *Spec) mountsBelow(dir string) bool {
	below := func(target string) bool { return strings.HasPrefix(target, strings.TrimSuffix(dir, "/")+"/") }
	return slices.ContainsFunc(ours, below) || slices.ContainsFunc(s.Mounts, func(m Mount) bool { return below(m.Target) })
}

func (s *Spec) mountsAt(file string) bool {
	return slices.ContainsFunc(s.Mounts, func(m Mount) bool { return m.Target == file })
}

func (s *Spec) devices() error {
	for _, dir := range []string{"proc", "dev", "dev/shm", "tmp", ".before"} {
		if err := os.MkdirAll(filepath.Join(s.Root, dir), 0o755); err != nil {
			return fmt.Errorf("make /%s: %w", dir, err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Root, "tmp"), 0o1777); err != nil { //nolint:gosec // as everywhere
		return err
	}
	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := bind("/dev/"+device, filepath.Join(s.Root, "dev", device), false); err != nil {
			return err
		}
	}
	if err := unix.Mount("tmpfs", filepath.Join(s.Root, "dev/shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	if err := unix.Mount("proc", filepath.Join(s.Root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

func (s *Spec) pivot() error {
	if err := unix.PivotRoot(s.Root, filepath.Join(s.Root, ".before")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.Unmount("/.before", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := os.Remove("/.before"); err != nil {
		return err
	}
	if !s.ReadOnlyRoot {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return nil
}

// bind shows a file or folder at another place.
func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		var file *os.File
		if file, err = os.OpenFile(target, os.O_CREATE, 0o644); err == nil {
			err = file.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("make the place of a mount: %w", err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	var at unix.Statfs_t
	if err := unix.Statfs(target, &at); err != nil {
		return fmt.Errorf("look at %s: %w", target, err)
	}
	// What is locked from outside of a user namespace must be said again.
	kept := uintptr(at.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}
