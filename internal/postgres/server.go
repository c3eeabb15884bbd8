package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mckinsey.com/ark/sql/admin"
)

// startTimeout is how long a server may take until it answers, recovery after a
// crash included.
const startTimeout = 2 * time.Minute

// Options of a server.
type Options struct {
	// DataDir is the data directory (PGDATA). It is made if it is missing. Beside
	// PostgreSQL's own files it holds the password, the port and the log.
	DataDir string
	// Database is made if it is missing; empty: postgres, which is always there.
	Database string
	// Binaries to run; zero: those that made the data directory, else Find.
	Binaries Binaries
	// Port on 127.0.0.1; 0: the one it had before if that is free, else a free one.
	Port int
	// Settings of the server, as in postgresql.conf.
	Settings map[string]string
	// DieWithParent ends the server with this process, also when it is killed
	// (on Linux): for throw-away data. Without it a kill leaves the server
	// running, and the next Start stops it in order.
	DieWithParent bool
	// NoSync makes the data directory without waiting for the disk.
	NoSync bool
	// Progress gets a line about what takes long: an installation. nil: nothing.
	Progress io.Writer
}

// Server is a running PostgreSQL that this process started.
type Server struct {
	options  Options
	account  *account
	port     int
	password string
	lock     *os.File

	mu      sync.Mutex
	process *process // the current one; replaced by Run when it has ended
	stopped bool
}

// Start runs a PostgreSQL server over the data directory, which is made if it is
// missing, and returns when it answers. A server that a killed process left
// there is stopped first. The errors say what to do: ErrNotFound, ErrVersion,
// ErrOwner, a directory that is not PostgreSQL's, in use, or out of reach.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("resolve the data directory: %w", err)
	}
	o.DataDir = dir
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the data directory: %w", err)
	}
	a, err := accountOf(dir)
	if err == nil {
		err = a.reachable(dir)
	}
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return nil, fmt.Errorf("use data directory %s: %w", dir, err)
	}
	s := &Server{options: o, account: a, lock: lock}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	dir := s.options.DataDir
	var err error
	if s.options.Binaries, err = binariesFor(ctx, s.options.Progress, dir, s.options.Binaries); err != nil {
		return err
	}
	if err := s.initialize(ctx); err != nil {
		return err
	}
	if err := StopOrphan(ctx, dir); err != nil {
		return err
	}
	if s.password, err = readTrimmed(filepath.Join(dir, passwordFile)); err != nil {
		return fmt.Errorf("read the password of the server (was %s made by another program?): %w", dir, err)
	}
	if s.port, err = s.choosePort(); err != nil {
		return err
	}
	if err := s.firstLaunch(ctx); err != nil {
		return err
	}
	return s.ensureDatabase(ctx)
}

// choosePort keeps the port of the last time, so that the URL stays the same.
func (s *Server) choosePort() (int, error) {
	if s.options.Port != 0 {
		return s.options.Port, nil
	}
	path := filepath.Join(s.options.DataDir, portFile)
	if text, err := readTrimmed(path); err == nil {
		if port, err := strconv.Atoi(text); err == nil {
			if free, err := freePort(port); err == nil {
				return free, nil
			}
		}
	}
	port, err := freePort(0)
	if err != nil {
		return 0, err
	}
	return port, writeOwned(s.account, path, strconv.Itoa(port))
}

// freePort returns the wanted port, or any with 0, if nobody listens there.
func freePort(wanted int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(wanted)))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// URL is where the server is, with user and password.
func (s *Server) URL() string {
	if s.options.Database == "" {
		return s.urlOf("postgres")
	}
	return s.urlOf(s.options.Database)
}

func (s *Server) urlOf(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: database,
	}
	return u.String()
}

// PID is the process id of the running server.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.cmd.Process.Pid
}

func (s *Server) ensureDatabase(ctx context.Context) error {
	if s.options.Database == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.URL())
	if err == nil {
		return conn.Close(ctx)
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "3D000" { // invalid_catalog_name
		return fmt.Errorf("connect to the started PostgreSQL: %w", err)
	}
	conn, err = pgx.Connect(ctx, s.urlOf("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the started PostgreSQL: %w", err)
	}
	return errors.Join(admin.CreateDatabase(ctx, conn, s.options.Database), conn.Close(ctx))
}
