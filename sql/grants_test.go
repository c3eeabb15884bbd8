package sql

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/postgres"
)

// TestGrantsAreEnough: the role that `ark goose up --grant-to` gives rights to may
// execute every statement that there is. The server checks that before it explains.
func TestGrantsAreEnough(t *testing.T) {
	t.Parallel()
	admin := pgtest.URL(t)
	name := "worker_of_" + strings.TrimPrefix(parse(t, admin).Path, "/")
	run(t, admin, "CREATE ROLE "+name)
	t.Cleanup(func() {
		if _, err := connectLate(t, admin).Exec(context.Background(), "DROP OWNED BY "+name+"; DROP ROLE "+name); err != nil {
			t.Errorf("drop the role: %v", err)
		}
	})
	conn := connect(t, admin)
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan; SET ROLE "+name); err != nil {
		t.Fatal(err)
	}
	statements := compiledStatements(t)
	refused := 0
	for _, granted := range []bool{false, true} {
		if granted {
			if _, err := (goose.Database{Source: pg.Source{URL: admin}, GrantTo: []string{name}}).Up(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, statement := range slices.Sorted(maps.Keys(statements)) {
			_, err := tryExplain(t, conn, statement, statements[statement])
			var e *pgconn.PgError
			switch {
			case err == nil:
			case !granted && errors.As(err, &e) && e.Code == "42501":
				refused++
			default:
				t.Errorf("granted: %t, %s: %v", granted, statement, err)
			}
		}
	}
	if refused < len(statements)/2 {
		t.Errorf("only %d of %d statements were refused before, so nothing is shown", refused, len(statements))
	}
}

// TestRoles runs the script for DBAs on a server of its own, since roles belong to
// all databases, as a superuser and as the owner of a database, and looks at what
// each of its roles may do.
func TestRoles(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	run(t, server, "CREATE ROLE dba SUPERUSER LOGIN PASSWORD 'p'; CREATE ROLE tenant CREATEROLE LOGIN PASSWORD 'p'")
	// The server's own superuser has a name that the script wants.
	run(t, as(t, server, "dba", "postgres"), "ALTER ROLE ark RENAME TO first")
	run(t, as(t, server, "dba", "postgres"), "CREATE DATABASE a")
	run(t, as(t, server, "dba", "postgres"), "CREATE DATABASE b OWNER tenant")
	for _, database := range []struct{ name, by string }{{"b", "tenant"}, {"a", "dba"}} {
		script := func() { run(t, as(t, server, database.by, database.name), readFile(t, "roles.sql")) }
		script()
		for _, role := range []string{"ark_owner", "ark", "ark_reader"} {
			run(t, as(t, server, "dba", "postgres"), "ALTER ROLE "+role+" PASSWORD 'p'")
		}
		if _, err := (goose.Database{Source: pg.Source{URL: as(t, server, "ark_owner", database.name)}, GrantTo: []string{"ark"}}).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		script()
		for _, may := range []struct {
			role, statement string
			yes             bool
		}{
			{"ark_owner", "CREATE TABLE ark.later (n int)", true},
			{"ark_owner", "CREATE VIEW observe.later AS SELECT n FROM ark.later", true},
			{"ark_owner", "CREATE SCHEMA other", false},
			{"ark_owner", "CREATE ROLE other", false},
			{"ark", "INSERT INTO ark.later VALUES (1)", true},
			{"ark", "UPDATE ark.revision SET current = current", true},
			{"ark", "UPDATE ark.compatibility SET lowest_version = 9", false},
			{"ark", "CREATE TABLE ark.other (n int)", false},
			{"ark", "DROP TABLE ark.objects", false},
			{"ark_reader", "SELECT count(*) FROM observe.queries", true},
			{"ark_reader", "SELECT count(*) FROM observe.later", true},
			{"ark_reader", "SELECT count(*) FROM ark.objects", false},
		} {
			_, err := connect(t, as(t, server, may.role, database.name)).Exec(t.Context(), may.statement)
			if (err == nil) != may.yes {
				t.Errorf("%s in a database of %s: %s: %v", may.role, database.by, may.statement, err)
			}
		}
	}
}

func startServer(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ark-roles-") // not below a folder that its user may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	server, err := postgres.Start(t.Context(), postgres.Options{DataDir: filepath.Join(dir, "data"), DieWithParent: true, NoSync: true})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return server.URL()
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// as is the url for a role with the password p, and a database.
func as(t *testing.T, server, role, database string) string {
	t.Helper()
	u := parse(t, server)
	u.User, u.Path = url.UserPassword(role, "p"), "/"+database
	return u.String()
}
