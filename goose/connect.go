package goose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/sql/admin"
)

// connectInterval is the pause between two attempts to connect.
const connectInterval = 500 * time.Millisecond

// applicationName is the name of our sessions.
const applicationName = "goose"

// connect returns a connection, which is the caller's to close, to a server that is
// new enough. It waits up to d.Timeout for one, and says why.
func (d Database) connect(ctx context.Context) (*pgx.Conn, error) {
	log := klog.FromContext(ctx)
	late := time.After(d.Timeout)
	for said := ""; ; {
		conn, err := d.try(ctx)
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		if err = pg.Explain(err); d.Timeout == 0 || !mayPass(err) {
			return nil, err
		}
		if why := err.Error(); why != said {
			log.Info("Waiting for the database", "reason", pg.Detail(err), "timeout", d.Timeout)
			said = why
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late:
			return nil, fmt.Errorf("waited %s for the database: %w", d.Timeout, err)
		case <-time.After(connectInterval):
		}
	}
}

// mayPass tells errors of connecting that waiting may mend: also a password that is
// refused, which may be on its way, and a file that is not mounted yet.
func mayPass(err error) bool {
	return pg.IsUnavailable(err) || errors.Is(err, fs.ErrNotExist) || pg.Code(err) == databaseInUse
}

func (d Database) try(ctx context.Context) (*pgx.Conn, error) {
	config, err := d.config()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if d.Create && pg.Code(err) == noDatabase {
		if err := create(ctx, config); err != nil {
			return nil, err
		}
		conn, err = pgx.ConnectConfig(ctx, config)
	}
	if err != nil {
		return nil, err
	}
	if err := checkServer(ctx, conn, db.New()); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

func (d Database) config() (*pgx.ConnConfig, error) {
	config, err := d.Config()
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = applicationName
	return config, nil
}

// nameOf is the name of the database; without one the server takes that of the user.
func nameOf(config *pgx.ConnConfig) string {
	if config.Database == "" {
		return config.User
	}
	return config.Database
}

// maintenance are databases to be in while another one is made.
var maintenance = []string{"postgres", "template1"}

// create makes the database. One that another process makes meanwhile is fine.
func create(ctx context.Context, config *pgx.ConnConfig) error {
	name := nameOf(config)
	conn, err := connectMaintenance(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to create database %q: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }() // what was to be done, is done
	err = admin.CreateDatabase(ctx, conn, name)
	switch pg.Code(err) {
	case databaseExists, rowExists:
		return nil
	case noRight:
		return fmt.Errorf("database %q does not exist and role %q may not create it; run: CREATE DATABASE %s OWNER %s",
			name, config.User, pg.Quote(name), pg.Quote(config.User))
	}
	if err == nil {
		klog.FromContext(ctx).Info("Created the database", "database", name)
	}
	return err
}

func connectMaintenance(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	var failed error
	for _, database := range maintenance {
		there := config.Copy()
		there.Database = database
		conn, err := pgx.ConnectConfig(ctx, there)
		if err == nil {
			return conn, nil
		}
		failed = err
		if c := pg.Code(err); c != noDatabase && c != noRight {
			break // it is not about the database
		}
	}
	return nil, failed
}
