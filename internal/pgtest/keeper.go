package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/internal/postgres"
	"mckinsey.com/ark/sql/admin"
)

const (
	keeperVariable = "ARK_PGTEST_KEEPER"
	// idleTime is how long a server stays without a test that uses it.
	idleTime = 2 * time.Minute
)

// init turns a test program that was started with the variable into the keeper
// of a server: the one process that is there in any package's tests and can
// outlive them is a copy of themselves.
func init() {
	which, ok := os.LookupEnv(keeperVariable)
	if !ok {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if err := keep(ctx, kind(which), idleTime); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
	stop()
	os.Exit(0)
}

// keep runs a server until nobody has used it for the idle time.
func keep(ctx context.Context, kind kind, idle time.Duration) error {
	dir, err := sharedDir(kind)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := removeData(data); err != nil {
		return err
	}
	s, err := postgres.Start(ctx, postgres.Options{DataDir: data, Settings: settings(kind), DieWithParent: true, NoSync: true})
	if err != nil {
		return fmt.Errorf("start PostgreSQL for tests: %w", err)
	}
	stop := supervise(ctx, s)
	if err := writeServer(dir, server{URL: s.URL()}); err != nil {
		return errors.Join(err, stop())
	}
	users, err := awaitIdle(ctx, dir, s.URL(), idle)
	if err != nil {
		return errors.Join(err, stop())
	}
	// The lock is kept to the end of this process: a test that comes now waits,
	// finds no server, and starts another.
	defer func() { _ = users.Close() }()
	return errors.Join(os.Remove(filepath.Join(dir, serverFile)), stop(), removeData(data))
}

// supervise has a server that ends before its time started again, and returns
// how to stop it.
func supervise(ctx context.Context, s *postgres.Server) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// removeData stops what a killed keeper may have left, and removes its data.
func removeData(data string) error {
	if err := postgres.StopOrphan(context.Background(), data); err != nil {
		return err
	}
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("remove the data of the test server: %w", err)
	}
	return nil
}

func settings(kind kind) map[string]string {
	s := map[string]string{
		"max_connections": "500",
		"max_wal_size":    "2GB",
		"timezone":        "UTC",
	}
	if kind == fast {
		s["fsync"] = "off"
		s["full_page_writes"] = "off"
	}
	return s
}

// awaitIdle returns the exclusive lock when no test process has been there for
// the idle time, or when the context ends. Databases that killed tests left are
// dropped in between.
func awaitIdle(ctx context.Context, dir, url string, idle time.Duration) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "users.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	lastUse := time.Now()
	for {
		switch err := tryLock(f, syscall.LOCK_EX); {
		case err == nil && time.Since(lastUse) >= idle:
			return f, nil
		case err == nil:
			if err := dropLeftovers(ctx, url); err != nil && ctx.Err() == nil {
				return nil, errors.Join(err, f.Close())
			}
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
				return nil, errors.Join(fmt.Errorf("unlock: %w", err), f.Close())
			}
		case errors.Is(err, errHeld):
			lastUse = time.Now()
		default:
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return f, nil
		case <-ticker.C:
		}
	}
}

func dropLeftovers(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect, to drop what killed tests left: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // what matters has been answered
	names, err := admin.ListDatabases(ctx, conn, testPrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := admin.DropDatabase(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}
