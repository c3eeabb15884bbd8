package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

// StopOrphan stops a server that still runs over the data directory because the
// process that started it was killed. It is stopped and started again rather
// than adopted: then its settings, its log and its end are this process's. No
// server, and no data directory, is no error.
func StopOrphan(ctx context.Context, dir string) error {
	pid, err := postmasterPID(dir)
	if err != nil || pid == 0 || !servesDir(ctx, pid, dir) {
		return err
	}
	klog.FromContext(ctx).Info("Stopping the PostgreSQL that an earlier process left running", "pid", pid, "folder", dir)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop PostgreSQL, process %d: %w", pid, err)
		}
		gone, err := waitUntil(ctx, 20*time.Second, func() bool { return !servesDir(ctx, pid, dir) })
		if gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("PostgreSQL, process %d over %s, does not stop", pid, dir)
}

// postmasterPID reads which process serves the data directory, or did when it
// was killed; 0: none.
func postmasterPID(dir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for a running PostgreSQL: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	return numberIn(first), nil // no number: never completed, no server got that far
}

// servesDir tells whether the process is a server over the data directory, and
// not another one that got the same id since: a server works in its directory,
// or, where that cannot be seen, names it in its command line.
func servesDir(ctx context.Context, pid int, dir string) bool {
	if runtime.GOOS == "linux" {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if err != nil {
			return false
		}
		real, err := filepath.EvalSymlinks(dir)
		return err == nil && cwd == real
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), dir)
}

// waitUntil asks until the condition holds, and returns false after the timeout.
func waitUntil(ctx context.Context, timeout time.Duration, condition func() bool) (bool, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return false, nil
		case <-ticker.C:
		}
	}
	return true, nil
}
