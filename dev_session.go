package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/postgres"
)

const (
	// sessionLock is the advisory lock of the one `ark dev` of a database.
	sessionLock int64 = 0x61726b20646576 // "ark dev"
	// sessionPing is how often the database is looked at.
	sessionPing = time.Second
	// sessionTimeout is how long it may take to answer before it counts as away.
	sessionTimeout = 5 * time.Second
	// takeOver is how long the session of a process that was just killed may hold
	// the lock, and nameLength what PostgreSQL keeps of a session's name.
	takeOver   = 3 * time.Second
	nameLength = 63
)

var (
	// errTaken says that another process works on the database.
	errTaken = errors.New("another ark dev uses the database: stop it, or name another one with --database-url")
	// errLingers says that the lost connection is not yet lost to the database.
	errLingers = errors.New("the database still holds on to the connection before")
)

// session is a connection of the process's own, beside the pools of the modules.
// It holds the lock that keeps another `ark dev` out of the database: two would
// reconcile everything twice. And it tells a person when the database goes and
// comes: the log then fills with the errors of everything that needs it.
type session struct {
	config  *pgx.ConnConfig
	name    string
	queries *db.Queries
	conn    *pgx.Conn
}

// startSession connects, takes the lock, and watches from then on.
func startSession(ctx context.Context, parts *layers, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name this machine: %w", err)
	}
	name := fmt.Sprintf("dev %d since %s on %s", os.Getpid(), time.Now().UTC().Format(time.RFC3339), host)
	s := &session{config: config, name: name[:min(len(name), nameLength)], queries: db.New()}
	config.RuntimeParams["application_name"] = s.name
	if err := s.begin(ctx); err != nil {
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	parts.start("database session", s.run)
	return nil
}

// begin makes the first connection, for which the lock may be a moment late.
func (s *session) begin(ctx context.Context) error {
	deadline := time.Now().Add(takeOver)
	for {
		err := s.check(ctx)
		if err == nil {
			return s.checkVersion(ctx)
		}
		if !errors.Is(err, errTaken) || time.Now().After(deadline) {
			return fmt.Errorf("open the database: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// checkVersion refuses a server that lacks what our statements use.
func (s *session) checkVersion(ctx context.Context) error {
	version, err := s.queries.GetServerVersion(ctx, s.conn)
	if err != nil {
		return fmt.Errorf("ask the database for its version: %w", err)
	}
	return versionFits(version)
}

// versionFits takes major and minor as one number.
func versionFits(version int32) error {
	if major := version / 10000; major < postgres.OldestMajor {
		return fmt.Errorf("the database is PostgreSQL %d, and ark needs %d or newer", major, postgres.OldestMajor)
	}
	return nil
}

// run looks at the database until ctx ends, and says each change once.
func (s *session) run(ctx context.Context) error {
	ticker := time.NewTicker(sessionPing)
	defer ticker.Stop()
	for away := false; ; {
		select {
		case <-ctx.Done():
			return s.close(context.WithoutCancel(ctx))
		case <-ticker.C:
		}
		err := s.check(ctx)
		switch {
		case ctx.Err() != nil: // an answer that nobody waits for any more
		case errors.Is(err, errTaken):
			return err
		case err != nil && !away:
			away = true
			klog.FromContext(ctx).Error(err, "The database is away")
			tell("the database is away:", oneLine(err))
		case err == nil && away:
			away = false
			klog.FromContext(ctx).Info("The database is back")
			tell("the database is back")
		}
	}
}

// check asks the database for a sign of life, over a new connection with the lock
// if the old one is lost.
func (s *session) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	if s.conn != nil {
		err := s.conn.Ping(ctx)
		if err != nil {
			_ = s.close(ctx) // it is lost: err says why
		}
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	s.conn = conn
	if err := s.lock(ctx); err != nil {
		return errors.Join(err, s.close(ctx))
	}
	return nil
}

// lock takes the lock, or says who has it.
func (s *session) lock(ctx context.Context) error {
	taken, err := s.queries.TryAdvisoryLock(ctx, s.conn, sessionLock)
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	if taken {
		return nil
	}
	holder, err := s.queries.GetAdvisoryLockHolder(ctx, s.conn, sessionLock)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // it is gone by now
		return errTaken
	case err != nil:
		return fmt.Errorf("find out who locks the database: %w", err)
	case holder == s.name:
		return errLingers
	}
	return fmt.Errorf("%w (its session is %q)", errTaken, holder)
}

func (s *session) close(ctx context.Context) error {
	if s.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	err := s.conn.Close(ctx)
	s.conn = nil
	return err
}
