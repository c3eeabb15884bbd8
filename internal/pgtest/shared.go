package pgtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// kind says how a server treats its data; it is the name of its folder.
type kind string

const (
	fast    kind = "fast"
	durable kind = "durable"
)

// server is what the keeper of a server tells the tests, in a file.
type server struct {
	URL string `json:"url"`
}

var (
	mu      sync.Mutex
	inUse   = map[kind]string{}
	holds   []*os.File // the shared locks, held until this process ends
	errHeld = errors.New("held by another process")
)

// serverFor returns the url of the server of a kind, and starts it if need be.
func serverFor(ctx context.Context, kind kind) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	if url := os.Getenv(Environment); url != "" {
		return url, nil
	}
	if url, ok := inUse[kind]; ok {
		return url, nil
	}
	dir, err := sharedDir(kind)
	if err != nil {
		return "", err
	}
	// Held until this process ends, however it ends: the keeper stops the server
	// only while nobody holds it.
	hold, err := lock(ctx, filepath.Join(dir, "users.lock"), syscall.LOCK_SH)
	if err != nil {
		return "", err
	}
	holds = append(holds, hold)
	url, err := findOrStart(ctx, kind, dir)
	if err != nil {
		return "", err
	}
	inUse[kind] = url
	return url, nil
}

// findOrStart lets one process at a time look for the server and start it.
func findOrStart(ctx context.Context, kind kind, dir string) (string, error) {
	starting, err := lock(ctx, filepath.Join(dir, "start.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { _ = starting.Close() }() // closing is what unlocks
	if s, err := readServer(dir); err == nil && answers(ctx, s.URL) {
		return s.URL, nil
	}
	return startKeeper(ctx, kind, dir)
}

// sharedDir is where the server of this user lives. It is not below the home:
// root's is closed to the user that PostgreSQL then runs as.
func sharedDir(kind kind) (string, error) {
	base := filepath.Join(os.TempDir(), fmt.Sprintf("ark-pgtest-%d", os.Getuid()))
	if err := os.Mkdir(base, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of the test server: %w", err)
	}
	info, err := os.Lstat(base)
	if err != nil {
		return "", fmt.Errorf("look at the folder of the test server: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s belongs to somebody else", base)
	}
	dir := filepath.Join(base, string(kind))
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the folder of the test server: %w", err)
	}
	return dir, nil
}

// startKeeper starts this very program again, as the process that keeps the
// server (see keep), and waits until the server is there.
func startKeeper(ctx context.Context, kind kind, dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, serverFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("forget the old test server: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "keeper.log"))
	if err != nil {
		return "", fmt.Errorf("make the log of the test server: %w", err)
	}
	defer func() { _ = log.Close() }() // the keeper has its own descriptor
	cmd := exec.Command(self)          // outlives this process: no context
	cmd.Env = append(os.Environ(), keeperVariable+"="+string(kind))
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start the keeper of the test server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return awaitServer(ctx, dir, ended)
}

func awaitServer(ctx context.Context, dir string, ended <-chan error) (string, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		s, err := readServer(dir)
		if err == nil {
			return s.URL, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the test server: %w", ctx.Err())
		case err := <-ended:
			log, readErr := os.ReadFile(filepath.Join(dir, "keeper.log"))
			return "", errors.Join(fmt.Errorf("the keeper of the test server ended: %w\n%s", err, log), readErr)
		case <-ticker.C:
		}
	}
}

const serverFile = "server.json"

func readServer(dir string) (server, error) {
	var s server
	content, err := os.ReadFile(filepath.Join(dir, serverFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("read where the test server is: %w", err)
	}
	return s, nil
}

func writeServer(dir string, s server) error {
	content, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode where the test server is: %w", err)
	}
	path := filepath.Join(dir, serverFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("write where the test server is: %w", err)
	}
	return os.Rename(path+".new", path)
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return false
	}
	return conn.Close(ctx) == nil
}

// lock waits for a lock on the file. The kernel has no way to wait for one until
// a context ends, so it is tried.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := tryLock(f, how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for lock %s: %w", path, ctx.Err()), f.Close())
		case <-ticker.C:
		}
	}
}

// tryLock takes the lock, or returns errHeld if another process is in the way.
func tryLock(f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
