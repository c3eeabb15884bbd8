package goose

import "mckinsey.com/ark/internal/pg"

// SQLSTATEs that count here.
const (
	noDatabase     = "3D000"
	databaseExists = "42P04"
	databaseInUse  = "55006" // the template that a database is made from
	noRight        = "42501"
	noTable        = "42P01"
	schemaExists   = "42P06"
	rowExists      = "23505" // in the catalog: another process was faster
)

// raced tells that another process created the schemas at the same moment:
// what was wanted is there.
func raced(err error) bool { return pg.Code(err) == schemaExists || pg.Code(err) == rowExists }

// missing tells that the table asked for is not there, as in a database that was
// never migrated.
func missing(err error) bool { return pg.Code(err) == noTable }
