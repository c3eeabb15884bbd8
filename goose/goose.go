// Package goose brings a database to the schema that this binary knows, and says
// whether the binary may work with the schema that it finds. The migrations are
// plain goose files; the goose command line gives the same database.
package goose

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// files are the migrations; they begin with their number.
//
//go:embed 0*.sql
var files embed.FS

//go:embed schemas.sql
var schemas string

const (
	arkSchema     = "ark"
	observeSchema = "observe"

	versionTable = "ark.goose_db_version"
	lockTable    = "ark.goose_lock"

	// Another process that migrates is waited for: 10 minutes in all.
	lockRetry   = 250 * time.Millisecond
	lockRetries = 2400
)

// Result is one migration that was applied or taken back.
type Result struct {
	Name     string
	Duration time.Duration
}

// Status is one migration and when it was applied; zero: it was not.
type Status struct {
	Name    string
	Applied time.Time
}

// Database is a database to migrate.
type Database struct {
	pg.Source
	// Timeout is how long to wait for a database that cannot be connected to; 0: not.
	Timeout time.Duration
	// Create makes the database if there is none, if the role may.
	Create bool
	// GrantTo are roles that get what servers and workers need, after the migrations.
	GrantTo []string

	migrations fs.FS // nil: those of this binary
}

func (d Database) files() fs.FS {
	if d.migrations != nil {
		return d.migrations
	}
	return files
}

// Up applies all migrations that the database at url lacks, as the method does.
func Up(ctx context.Context, url string) ([]Result, error) {
	return Database{Source: pg.Source{URL: url}}.Up(ctx)
}

// Down takes the newest migration back, as the method does.
func Down(ctx context.Context, url string) ([]Result, error) {
	return Database{Source: pg.Source{URL: url}}.Down(ctx)
}

// Up applies all migrations that the database lacks. Processes that call it at the
// same time wait for each other. A schema that is newer stays as it is, unless it asks
// for a newer binary: ErrTooNew.
func (d Database) Up(ctx context.Context) ([]Result, error) {
	var results []Result
	err := d.withProvider(ctx, func(conn *pgx.Conn, p *goose.Provider) error {
		newest, err := latest(d.files())
		if err != nil {
			return err
		}
		if err := checkSchema(ctx, conn, db.New(), newest); errors.Is(err, ErrTooNew) {
			return err
		}
		if err := checkGrantees(ctx, conn, d.GrantTo); err != nil {
			return err
		}
		applied, err := p.Up(ctx)
		results = resultsOf(applied)
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			results = resultsOf(partial.Applied)
		}
		for i := 0; err == nil && i < len(d.GrantTo); i++ {
			err = grant(ctx, conn, d.GrantTo[i])
		}
		return err
	})
	if err != nil {
		return results, fmt.Errorf("migrate the database: %w", err)
	}
	return results, nil
}

// Down takes the newest migration back, with the data that it holds.
func (d Database) Down(ctx context.Context) ([]Result, error) {
	var results []Result
	err := d.withProvider(ctx, func(_ *pgx.Conn, p *goose.Provider) error {
		taken, err := p.Down(ctx)
		if taken != nil {
			results = resultsOf([]*goose.MigrationResult{taken})
		}
		return err
	})
	if err != nil {
		return results, fmt.Errorf("take a migration back: %w", err)
	}
	return results, nil
}

// List returns all migrations that this binary knows, oldest first.
func (d Database) List(ctx context.Context) ([]Status, error) {
	var all []Status
	err := d.withProvider(ctx, func(_ *pgx.Conn, p *goose.Provider) error {
		found, err := p.Status(ctx)
		for _, s := range found {
			all = append(all, Status{Name: s.Source.Path, Applied: s.AppliedAt})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the state of the migrations: %w", err)
	}
	return all, nil
}

// Latest is the newest version that this binary knows.
func Latest() (int64, error) { return latest(files) }

func latest(files fs.FS) (int64, error) {
	sources, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var latest int64
	for _, name := range sources {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("version of migration %s: %w", name, err)
		}
		latest = max(latest, version)
	}
	return latest, nil
}

// withProvider runs f with a connection, and with goose, which makes its own.
func (d Database) withProvider(ctx context.Context, f func(*pgx.Conn, *goose.Provider) error) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // all was committed, or not
	config := conn.Config()
	pool := stdlib.OpenDB(*config)
	defer func() { _ = pool.Close() }()
	if _, err := pool.ExecContext(ctx, schemas); err != nil && !raced(err) {
		return explainSchemas(err, config)
	}
	p, err := provider(pool, d.files())
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if err = f(conn, p); pg.Code(err) == noRight {
		return fmt.Errorf("role %q lacks a right (the role that migrates must own the schemas ark and observe and all that is in them): %w", config.User, err)
	}
	return err
}

// explainSchemas says what a DBA can do for a role that may not create the schemas.
func explainSchemas(err error, config *pgx.ConnConfig) error {
	if pg.Code(err) != noRight {
		return fmt.Errorf("create schemas ark and observe: %w", err)
	}
	role := pg.Quote(config.User)
	return fmt.Errorf("role %q may not create the schemas ark and observe in database %q; run: GRANT CREATE ON DATABASE %s TO %s, or there: CREATE SCHEMA ark AUTHORIZATION %s; CREATE SCHEMA observe AUTHORIZATION %s: %w",
		config.User, nameOf(config), pg.Quote(nameOf(config)), role, role, role, err)
}

func provider(conn *sql.DB, files fs.FS) (*goose.Provider, error) {
	// A table, not a session's advisory lock, which a transaction pooler would lose.
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockTimeout(lockRetry, lockRetries))
	if err != nil {
		return nil, err
	}
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider("", conn, files, goose.WithStore(store), goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
}

func resultsOf(applied []*goose.MigrationResult) []Result {
	results := make([]Result, 0, len(applied))
	for _, r := range applied {
		results = append(results, Result{Name: r.Source.Path, Duration: r.Duration})
	}
	return results
}
