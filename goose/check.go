package goose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// Errors of Check.
var (
	ErrTooOld   = errors.New("the database lacks migrations of this version of ark: run `ark goose up`")
	ErrTooNew   = errors.New("the database has a schema that this version of ark is too old for")
	ErrNoRights = errors.New("rights are missing in the database")
)

// shownGrants is how many statements an error names.
const shownGrants = 3

// Check says whether this binary may work with the database: the server must be new
// enough, the role must have its rights, and the schema every migration that the
// binary knows. It may have later ones as long as none of them asks for a newer binary.
func Check(ctx context.Context, conn db.DBTX, queries *db.Queries) error {
	if err := checkServer(ctx, conn, queries); err != nil {
		return err
	}
	missing, err := queries.ListMissingGrants(ctx, conn, "", []string{arkSchema})
	if err != nil {
		return fmt.Errorf("ask which rights are missing: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the owner of the schema must run `ark goose up --grant-to=ROLE` or: %s", ErrNoRights, abbreviate(missing))
	}
	newest, err := Latest()
	if err != nil {
		return err
	}
	return checkSchema(ctx, conn, queries, newest)
}

func checkServer(ctx context.Context, conn db.DBTX, queries *db.Queries) error {
	version, err := queries.GetServerVersion(ctx, conn)
	if err != nil {
		return fmt.Errorf("ask the database for its version: %w", err)
	}
	return pg.CheckVersion(version)
}

func abbreviate(statements []string) string {
	more := ""
	if n := len(statements) - shownGrants; n > 0 {
		statements, more = statements[:shownGrants], fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(statements, "; ") + more
}

// checkSchema compares the schema with the newest migration that a binary knows.
func checkSchema(ctx context.Context, conn db.DBTX, queries *db.Queries, newest int64) error {
	version, err := queries.GetSchemaVersion(ctx, conn)
	if missing(err) {
		return fmt.Errorf("%w (it has none)", ErrTooOld)
	}
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if version < newest {
		return fmt.Errorf("%w (it has version %d, needed is %d)", ErrTooOld, version, newest)
	}
	lowest, err := queries.GetLowestVersion(ctx, conn)
	if err != nil {
		return fmt.Errorf("read what the schema asks of a binary: %w", err)
	}
	if newest < lowest {
		return fmt.Errorf("%w (it asks for version %d, this one knows %d)", ErrTooNew, lowest, newest)
	}
	return nil
}
