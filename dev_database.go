package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/postgres"
)

// lockDataDir makes the folder and keeps other processes of `ark dev` out of it.
// The kernel releases the lock when the process ends, however it ends.
func lockDataDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(dir, "ark.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another ark dev uses the data folder %s: stop it, or choose another --data-dir", dir)
		}
		return nil, fmt.Errorf("lock the data folder %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}

// checkPort finds out early, before a database is started, that the port is taken.
func checkPort(port int) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is in use: stop what listens there, or choose another --port", port)
	}
	if err != nil {
		return fmt.Errorf("listen on port %d: %w", port, err)
	}
	return l.Close()
}

// startDatabase runs PostgreSQL in the data folder, or waits for the one that the
// user named, and brings its schema up to date.
func startDatabase(ctx context.Context, parts *layers, o devOptions) (string, error) {
	url := o.DatabaseURL
	if url == "" {
		tell("starting PostgreSQL in", filepath.Join(o.DataDir, "postgresql"))
		server, err := postgres.Start(ctx, postgres.Options{
			DataDir: filepath.Join(o.DataDir, "postgresql"), Database: "ark", Progress: stderr,
		})
		if err != nil {
			return "", fmt.Errorf("start PostgreSQL: %w", err)
		}
		parts.start("PostgreSQL", server.Run)
		url = server.URL()
	}
	if err := waitForDatabase(ctx, stderr, url, o.DatabaseTimeout); err != nil {
		return "", err
	}
	if err := startSession(ctx, parts, url); err != nil {
		return "", err
	}
	applied, err := goose.Up(ctx, url)
	for _, m := range applied {
		tell("applied the migration", m.Name)
	}
	return url, err
}

// waitForDatabase tries until the database answers, says that it waits, and
// gives up after the timeout with the reason of the last try.
func waitForDatabase(ctx context.Context, out io.Writer, url string, timeout time.Duration) error {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	address := fmt.Sprintf("%s:%d/%s", config.Host, config.Port, config.Database)
	deadline, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for announced := false; ; {
		err := tryDatabase(deadline, config)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if permanent(err) {
			return fmt.Errorf("connect to the database %s: %w", address, err)
		}
		if !announced {
			if _, err := fmt.Fprintf(out, "waiting up to %s for the database %s\n", timeout, address); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			announced = true
		}
		klog.V(2).InfoS("The database does not answer yet", "err", err)
		select {
		case <-deadline.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the database %s was not there within %s (--database-timeout): %w", address, timeout, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func tryDatabase(ctx context.Context, config *pgconn.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// permanent tells errors that waiting does not mend: the server answered, and
// refused the user, the password or the database.
func permanent(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code {
	case "28000", "28P01", "3D000": // not authorized, wrong password, no such database
		return true
	}
	return false
}
