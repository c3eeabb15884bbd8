package goose

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// grantLock is the advisory lock of those that change rights.
const grantLock int64 = 0x61726b206772616e // "ark gran"

// checkGrantees refuses roles that rights cannot be given to, before anything is done.
func checkGrantees(ctx context.Context, conn *pgx.Conn, roles []string) error {
	for _, role := range roles {
		row, err := db.New().GetRole(ctx, conn, role)
		if err != nil {
			return fmt.Errorf("look for role %q: %w", role, err)
		}
		if !row.Found {
			return fmt.Errorf("--grant-to: role %q does not exist; run: CREATE ROLE %s LOGIN", role, pg.Quote(role))
		}
	}
	return nil
}

// grant gives a role what servers and workers need, now and of what later migrations
// of this role make. It changes nothing where nothing is missing.
func grant(ctx context.Context, conn *pgx.Conn, role string) error {
	queries, schemas := db.New(), []string{arkSchema, observeSchema}
	err := pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		if err := queries.LockGrants(ctx, tx, grantLock); err != nil {
			return err
		}
		who, err := queries.GetRole(ctx, tx, role)
		if err != nil || who.Current == role {
			return err
		}
		statements, err := queries.ListMissingGrants(ctx, tx, role, schemas)
		if err != nil {
			return err
		}
		later, err := queries.ListDefaultGrants(ctx, tx, role, schemas)
		if err != nil {
			return err
		}
		return pg.Execute(ctx, tx, append(statements, later...))
	})
	var left []string
	if err == nil {
		// Who may give a part of a right gives that part, and no error tells.
		left, err = queries.ListMissingGrants(ctx, conn, role, schemas)
	}
	switch {
	case err != nil && pg.Code(err) != noRight:
		return fmt.Errorf("give rights to role %q: %w", role, err)
	case err != nil || len(left) > 0:
		return mayNotGrant(ctx, conn, role, schemas, err)
	}
	return nil
}

// mayNotGrant says what somebody else has to run.
func mayNotGrant(ctx context.Context, conn *pgx.Conn, role string, schemas []string, cause error) error {
	left, err := db.New().ListMissingGrants(ctx, conn, role, schemas)
	if err != nil {
		return fmt.Errorf("ask which rights role %q lacks: %w", role, err)
	}
	err = fmt.Errorf("role %q may not give rights to role %q; the owner of the schemas must run: %s",
		conn.Config().User, role, abbreviate(left))
	if cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}
