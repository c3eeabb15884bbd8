package goose

import (
	"context"
	"errors"
	"fmt"

	"mckinsey.com/ark/gen/db"
)

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
