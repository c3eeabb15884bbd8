package goose

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// raced tells that another process created the schemas at the same moment:
// what was wanted is there.
func raced(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42P06" || pgErr.Code == "23505")
}

// missing tells that the table asked for is not there, as in a database that was
// never migrated.
func missing(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "42P01"
}
