package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// ownDir is a folder and kind for a server apart from the one that other tests use.
func ownDir(t *testing.T, name string) (kind, string) {
	t.Helper()
	kind := kind(fmt.Sprintf("%s-%d", name, os.Getpid()))
	dir, err := sharedDir(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return kind, dir
}

func keeperPID(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data.lock"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// await asks until the condition holds, for a minute at most.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited for a minute: %s", what)
		}
	}
}

// TestKeeperEnds: a server stays while a test process is there, and leaves
// nothing behind.
func TestKeeperEnds(t *testing.T) {
	t.Parallel()
	kind, dir := ownDir(t, "idle")
	user, err := lock(t.Context(), filepath.Join(dir, "users.lock"), syscall.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- keep(context.Background(), kind, 0) }()
	url, err := awaitServer(t.Context(), dir, ended)
	if err != nil {
		t.Fatal(err)
	}
	if !answers(t.Context(), url) {
		t.Error("the server does not answer while it has a user")
	}
	if err := user.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("the keeper ended with %v", err)
	}
	if answers(t.Context(), url) {
		t.Error("the server answers after its keeper has ended")
	}
	for _, name := range []string{"data", serverFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left behind (%v)", name, err)
		}
	}
}

// TestKilledKeeper: its server ends with it, and the next test starts another.
func TestKilledKeeper(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("only Linux ends the server with its keeper at once")
	}
	kind, dir := ownDir(t, "killed")
	url, err := findOrStart(t.Context(), kind, dir)
	if err != nil {
		t.Fatal(err)
	}
	first := keeperPID(t, dir)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the server ends with its keeper", func() bool { return !answers(t.Context(), url) })
	url, err = findOrStart(t.Context(), kind, dir)
	if err != nil {
		t.Fatalf("start another server: %v", err)
	}
	if !answers(t.Context(), url) {
		t.Error("the second server does not answer")
	}
	second := keeperPID(t, dir)
	if second == first {
		t.Error("there is no new keeper")
	}
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the keeper cleans up", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data"))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// TestOneServerForAll: processes that come together start one server.
func TestOneServerForAll(t *testing.T) {
	t.Parallel()
	kind, dir := ownDir(t, "together")
	urls := make([]string, 5)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range urls {
		group.Go(func() (err error) {
			urls[i], err = findOrStart(ctx, kind, dir)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, url := range urls {
		if url != urls[0] {
			t.Errorf("two servers: %s and %s", urls[0], url)
		}
	}
	if err := syscall.Kill(keeperPID(t, dir), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the keeper cleans up", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data"))
		return errors.Is(err, fs.ErrNotExist)
	})
}
