package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/postgres"
)

const (
	// sessionPing is how often the database is looked at.
	sessionPing = time.Second
	// sessionTimeout is how long it may take to answer before it counts as away.
	sessionTimeout = 5 * time.Second
)

// session is a connection of the process's own, beside the pools of the modules.
// It tells a person when the database goes and comes: the log then fills with the
// errors of everything that needs it.
type session struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

// startSession connects, and watches from then on.
func startSession(ctx context.Context, parts *layers, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	config.RuntimeParams["application_name"] = "dev"
	s := &session{config: config}
	if err := s.check(ctx); err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	if err := s.checkVersion(ctx); err != nil {
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	parts.start("database session", s.run)
	return nil
}

// checkVersion refuses a server that lacks what our statements use.
func (s *session) checkVersion(ctx context.Context) error {
	version, err := db.New().GetServerVersion(ctx, s.conn)
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

// check asks the database for a sign of life, over a new connection if the old
// one is lost.
func (s *session) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	if s.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, s.config)
		s.conn = conn
		return err
	}
	err := s.conn.Ping(ctx)
	if err != nil {
		_ = s.close(ctx) // it is lost: err says why
	}
	return err
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
