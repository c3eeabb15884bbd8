// Package pgtest gives every test a PostgreSQL database of its own.
//
// All test processes of a user share one server, which the first of them starts
// and which ends by itself when no test has used it for a while. Databases are
// cloned from a template that has all migrations applied, and dropped when the
// test ends. The environment variable ARK_TEST_DATABASE_URL names another server
// to make them on; its role must be allowed to create databases.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/sql/admin"
)

// Environment names the server to use instead of one that is started.
const Environment = "ARK_TEST_DATABASE_URL"

// patience bounds what a test waits for the server and its database.
const patience = 3 * time.Minute

// DB returns a pool on a database of the test's own, with all migrations applied.
func DB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(URL(t))
	if err != nil {
		t.Fatalf("parse the url of the test database: %v", err)
	}
	config.MaxConns = 16
	config.ConnConfig.RuntimeParams["application_name"] = "test"
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("make a pool on the test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URL returns a database of the test's own, with all migrations applied.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, fast, fromMigrations)
}

// Empty returns a database of the test's own, with nothing in it.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, fast, fromNothing)
}

// Durable is URL on a server that waits for the disk at each commit, as a real
// one does: for benchmarks. The other server does not.
func Durable(t testing.TB) string {
	t.Helper()
	return create(t, durable, fromMigrations)
}

// source makes a new database on the server.
type source func(ctx context.Context, server string, conn *pgx.Conn, name string) error

var serial atomic.Int64

func create(t testing.TB, kind kind, make source) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := serverFor(ctx, kind)
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to the PostgreSQL for tests: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // what matters has been answered
	name := fmt.Sprintf("%s%d_%d_%d", testPrefix, os.Getpid(), time.Now().UnixNano(), serial.Add(1))
	if err := make(ctx, server, conn, name); err != nil {
		t.Fatalf("make the test database: %v", err)
	}
	t.Cleanup(func() { drop(t, server, name) })
	database, err := withDatabase(server, name)
	if err != nil {
		t.Fatalf("address the test database: %v", err)
	}
	return database
}

func drop(t testing.TB, server, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Errorf("connect, to drop the test database: %v", err)
		return
	}
	defer func() { _ = conn.Close(ctx) }() // what matters has been answered
	if err := admin.DropDatabase(ctx, conn, name); err != nil {
		t.Errorf("drop the test database: %v", err)
	}
}

// withDatabase is the url with another database.
func withDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("parse the url of the server: %w", err)
	}
	u.Path = name
	return u.String(), nil
}
