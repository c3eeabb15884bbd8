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
)

// files are the migrations; they begin with their number.
//
//go:embed 0*.sql
var files embed.FS

//go:embed schemas.sql
var schemas string

const (
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

// Up applies all migrations that the database at url lacks. Processes that call
// it at the same time wait for each other.
func Up(ctx context.Context, url string) ([]Result, error) {
	var results []Result
	err := withProvider(ctx, url, func(p *goose.Provider) error {
		applied, err := p.Up(ctx)
		results = resultsOf(applied)
		return err
	})
	if err != nil {
		return results, fmt.Errorf("migrate the database: %w", err)
	}
	return results, nil
}

// Down takes the newest migration back, with the data that it holds.
func Down(ctx context.Context, url string) ([]Result, error) {
	var results []Result
	err := withProvider(ctx, url, func(p *goose.Provider) error {
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
func List(ctx context.Context, url string) ([]Status, error) {
	var all []Status
	err := withProvider(ctx, url, func(p *goose.Provider) error {
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
func Latest() (int64, error) {
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

// Errors of Check.
var (
	ErrTooOld = errors.New("the database lacks migrations of this version of ark: run `ark goose up`")
	ErrTooNew = errors.New("the database has a schema that this version of ark is too old for")
)

// Check says whether this binary may work with the schema of the database: it
// must have every migration that the binary knows, and may have later ones as
// long as none of them asks for a newer binary.
func Check(ctx context.Context, conn db.DBTX, queries *db.Queries) error {
	latest, err := Latest()
	if err != nil {
		return err
	}
	version, err := queries.GetSchemaVersion(ctx, conn)
	if missing(err) {
		return fmt.Errorf("%w (it has none)", ErrTooOld)
	}
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if version < latest {
		return fmt.Errorf("%w (it has version %d, needed is %d)", ErrTooOld, version, latest)
	}
	lowest, err := queries.GetLowestVersion(ctx, conn)
	if err != nil {
		return fmt.Errorf("read what the schema asks of a binary: %w", err)
	}
	if latest < lowest {
		return fmt.Errorf("%w (it asks for version %d, this one knows %d)", ErrTooNew, lowest, latest)
	}
	return nil
}

func withProvider(ctx context.Context, url string, f func(*goose.Provider) error) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("parse database url: %w", err)
	}
	config.RuntimeParams["application_name"] = "goose"
	conn := stdlib.OpenDB(*config)
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, schemas); err != nil && !raced(err) {
		return fmt.Errorf("create schemas ark and observe (or have them created for this role): %w", err)
	}
	p, err := provider(conn)
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	return f(p)
}

func provider(conn *sql.DB) (*goose.Provider, error) {
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
