package goose_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// testRole is a role of a test's own.
type testRole struct{ name, url string }

// newRole makes a role that may log in, named after the database and a suffix, and
// nothing else.
func newRole(t *testing.T, admin, suffix string) testRole {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	r := testRole{name: "role_of" + strings.ReplaceAll(u.Path, "/", "_") + suffix}
	run(t, admin, "CREATE ROLE "+r.name+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		conn := connectLate(t, admin)
		if _, err := conn.PgConn().Exec(context.Background(), "DROP OWNED BY "+r.name+"; DROP ROLE "+r.name).ReadAll(); err != nil {
			t.Errorf("drop the role: %v", err)
		}
	})
	u.User = url.UserPassword(r.name, "secret")
	r.url = u.String()
	return r
}

// connectLate connects while a test is being cleaned up.
func connectLate(t *testing.T, admin string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), admin)
	if err != nil {
		t.Fatalf("connect to clean up: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
