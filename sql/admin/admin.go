// Package admin holds the statements about whole databases, for servers that Ark
// itself has started. They name databases, which no parameter can, so sqlc does
// not compile them.
package admin

import (
	"context"
	_ "embed" // the statements stand in files
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed create_database.sql
	createDatabase string
	//go:embed clone_database.sql
	cloneDatabase string
	//go:embed drop_database.sql
	dropDatabase string
	//go:embed rename_database.sql
	renameDatabase string
	//go:embed list_databases.sql
	listDatabases string
	//go:embed lock.sql
	lock string
)

// CreateDatabase makes an empty database.
func CreateDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	return run(ctx, conn, "create database "+name, fill(createDatabase, name, ""))
}

// CloneDatabase makes a copy of a template, in which nobody may be connected.
func CloneDatabase(ctx context.Context, conn *pgx.Conn, name, template string) error {
	return run(ctx, conn, "clone database "+template, fill(cloneDatabase, name, template))
}

// DropDatabase removes a database and throws out who is in it. One that is not
// there is no error.
func DropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	return run(ctx, conn, "drop database "+name, fill(dropDatabase, name, ""))
}

// RenameDatabase gives a database another name; nobody may be connected to it.
func RenameDatabase(ctx context.Context, conn *pgx.Conn, from, to string) error {
	return run(ctx, conn, "rename database "+from, fill(renameDatabase, to, from))
}

// ListDatabases returns the names of the databases that begin with the prefix.
func ListDatabases(ctx context.Context, conn *pgx.Conn, prefix string) ([]string, error) {
	rows, err := conn.Query(ctx, listDatabases, prefix)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	return names, nil
}

// Lock waits until no other session of the server holds the lock of that name,
// and holds it until the connection is closed.
func Lock(ctx context.Context, conn *pgx.Conn, name string) error {
	return run(ctx, conn, "lock "+name, lock, name)
}

func fill(statement, name, template string) string {
	return strings.NewReplacer(
		"{name}", pgx.Identifier{name}.Sanitize(),
		"{template}", pgx.Identifier{template}.Sanitize(),
	).Replace(statement)
}

func run(ctx context.Context, conn *pgx.Conn, what, statement string, args ...any) error {
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
