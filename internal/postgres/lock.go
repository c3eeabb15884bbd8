package postgres

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked")

// lockFile takes the lock on a file, which the kernel releases when the process
// ends, however it ends. The file names the holder, for the other's message.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = heldBy(path)
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// heldBy names the process that holds the lock.
func heldBy(path string) error {
	holder, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w by another process, and: %w", errLocked, err)
	}
	return fmt.Errorf("%w by process %s", errLocked, strings.TrimSpace(string(holder)))
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}
