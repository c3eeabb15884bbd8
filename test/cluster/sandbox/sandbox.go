// Package sandbox makes the namespaces that a cluster lives in: its network, its
// mounts and its processes are its own, and end with it.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Inside is the argument by which this program knows that it is inside.
const Inside = "inside"

// variable carries the options inside.
const variable = "CLUSTER_OPTIONS"

// ErrNotAllowed says that this machine, or its user, may not make namespaces.
var ErrNotAllowed = errors.New("this machine does not let this user make namespaces")

// Options of a cluster.
type Options struct {
	Images, Dir, Programs string
	Command               []string
	// Rootless says that users are those of a user namespace: there is only one.
	Rootless bool
}

// Run runs this program again, inside of new namespaces, and returns how it ended.
func Run(o Options) (err error) {
	runtime.LockOSThread() // whose death ends what it started
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if o.Programs == "" {
		o.Programs = filepath.Dir(self)
	}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "cluster-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	}
	for _, dir := range []*string{&o.Dir, &o.Images, &o.Programs} {
		if *dir != "" {
			if *dir, err = filepath.Abs(*dir); err != nil {
				return fmt.Errorf("find a folder: %w", err)
			}
		}
	}
	if err := os.Chmod(o.Dir, 0o755); err != nil { //nolint:gosec // users of containers go through it
		return fmt.Errorf("open the folder: %w", err)
	}
	o.Rootless = os.Geteuid() != 0
	options, err := json.Marshal(o)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, Inside)
	cmd.Env = append(os.Environ(), variable+"="+string(options))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attributes(o.Rootless)
	if err := cmd.Start(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
		return fmt.Errorf("start inside of namespaces: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	return cmd.Wait()
}

func attributes(rootless bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if rootless {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// Enter prepares the namespaces, as their first process, and returns the options.
func Enter() (o Options, err error) {
	if err := json.Unmarshal([]byte(os.Getenv(variable)), &o); err != nil {
		return o, fmt.Errorf("read the options: %w", err)
	}
	if err := os.Unsetenv(variable); err != nil {
		return o, err
	}
	// What is mounted here is not seen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return o, fmt.Errorf("%w: keep mounts inside: %w", ErrNotAllowed, err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return o, fmt.Errorf("%w: mount /proc: %w", ErrNotAllowed, err)
	}
	return o, nil
}

// Resolver has programs of the namespaces ask another name server.
func Resolver(dir, address string) error {
	file := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+address+"\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"), 0o644); err != nil { //nolint:gosec // for everybody
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return fmt.Errorf("find resolv.conf: %w", err)
	}
	if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount resolv.conf: %w", err)
	}
	return nil
}
