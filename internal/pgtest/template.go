package pgtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/sql/admin"
)

const (
	testPrefix     = "ark_test_"
	templatePrefix = "ark_template_"
	unfinished     = "ark_unfinished_"
)

func fromNothing(ctx context.Context, _ string, conn *pgx.Conn, name string) error {
	return admin.CreateDatabase(ctx, conn, name)
}

func fromMigrations(ctx context.Context, server string, conn *pgx.Conn, name string) error {
	template, err := ensureTemplate(ctx, server, conn)
	if err != nil {
		return err
	}
	return admin.CloneDatabase(ctx, conn, name, template)
}

// ensureTemplate makes the template of these migrations unless it is there. It
// is built under another name and renamed, so a template is always complete.
func ensureTemplate(ctx context.Context, server string, conn *pgx.Conn) (string, error) {
	hash, err := goose.Hash()
	if err != nil {
		return "", err
	}
	template := templatePrefix + hash
	if there, err := exists(ctx, conn, template); err != nil || there {
		return template, err
	}
	builder, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("connect to build the template: %w", err)
	}
	defer func() { _ = builder.Close(ctx) }() // ends the lock, whatever the answer
	if err := admin.Lock(ctx, builder, template); err != nil {
		return "", err
	}
	if there, err := exists(ctx, builder, template); err != nil || there {
		return template, err
	}
	return template, build(ctx, server, builder, unfinished+hash, template)
}

func build(ctx context.Context, server string, conn *pgx.Conn, unfinished, template string) error {
	if err := admin.DropDatabase(ctx, conn, unfinished); err != nil {
		return err
	}
	if err := admin.CreateDatabase(ctx, conn, unfinished); err != nil {
		return err
	}
	database, err := withDatabase(server, unfinished)
	if err != nil {
		return err
	}
	if _, err := goose.Up(ctx, database); err != nil {
		return err
	}
	return admin.RenameDatabase(ctx, conn, unfinished, template)
}

func exists(ctx context.Context, conn *pgx.Conn, database string) (bool, error) {
	names, err := admin.ListDatabases(ctx, conn, database)
	return slices.Contains(names, database), err
}
