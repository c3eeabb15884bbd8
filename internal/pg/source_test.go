package pg_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

// role makes a role with a password, which can only log in to the test's own
// database, and returns how to connect as the superuser and as the role.
func role(t *testing.T, password string) (admin *pgx.Conn, as *url.URL) {
	t.Helper()
	as, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	admin, err = pgx.Connect(within(t), as.String())
	if err != nil {
		t.Fatal(err)
	}
	name := "role_of" + strings.ReplaceAll(as.Path, "/", "_")
	exec := func(statement string) {
		if _, err := admin.Exec(context.Background(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	exec("CREATE ROLE " + name + " LOGIN PASSWORD '" + password + "'")
	t.Cleanup(func() {
		exec("DROP OWNED BY " + name)
		exec("DROP ROLE " + name)
		_ = admin.Close(context.Background())
	})
	as.User = url.User(name)
	return admin, as
}

// TestPasswordFile has a password come late, be wrong, and change: each new
// connection, of whatever kind, uses what the file holds then.
func TestPasswordFile(t *testing.T) {
	t.Parallel()
	admin, as := role(t, "first")
	file := filepath.Join(t.TempDir(), "password")
	source := pg.Source{URL: as.String(), PasswordFile: file}
	pool, err := source.NewPool(within(t), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	connect := map[string]func() error{
		"pool": func() error { pool.Reset(); return pool.Ping(within(t)) },
		"connection by the pool's configuration": func() error {
			conn, err := pgx.ConnectConfig(within(t), pool.Config().ConnConfig)
			if err != nil {
				return err
			}
			return conn.Close(within(t))
		},
		"database/sql": func() error {
			config, err := source.Config()
			if err != nil {
				return err
			}
			db := stdlib.OpenDB(*config)
			defer func() { _ = db.Close() }()
			return db.PingContext(within(t))
		},
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string // of the error
	}{
		{"no file", func() error { return nil }, "read the password of the database: open " + file},
		{"an empty file", func() error { return os.WriteFile(file, []byte("\n"), 0o600) }, "read the password of the database: " + file + " is empty"},
		{"a wrong password", func() error { return os.WriteFile(file, []byte("wrong"), 0o600) }, "28P01"},
		{"the right one", func() error { return os.WriteFile(file, []byte("first\n"), 0o600) }, ""},
		{"changed on the server", func() error {
			_, err := admin.Exec(within(t), "ALTER ROLE "+as.User.Username()+" PASSWORD 'second'")
			return err
		}, "28P01"},
		{"changed in the file", func() error { return os.WriteFile(file, []byte("second\r\n"), 0o600) }, ""},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for kind, connect := range connect {
			err := connect()
			if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
				t.Errorf("%s, %s: got %v, want %q", step.name, kind, err, step.want)
			}
			if err != nil && !pg.IsUnavailable(err) {
				t.Errorf("%s, %s: %v does not count as unavailable", step.name, kind, err)
			}
		}
	}
}

// TestPasswordFileOfTheListener: it makes connections of its own.
func TestPasswordFileOfTheListener(t *testing.T) {
	t.Parallel()
	_, as := role(t, "secret")
	file := filepath.Join(t.TempDir(), "password")
	pool, err := pg.Source{URL: as.String(), PasswordFile: file}.NewPool(within(t), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	ctx, cancel := context.WithCancel(within(t))
	heard, ended := make(chan string, 10), make(chan struct{})
	go func() {
		defer close(ended)
		pg.Listen(ctx, pool.Config().ConnConfig, []string{pg.ChannelEvents}, func(channel string) { heard <- channel })
	}()
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
	case <-ctx.Done():
		t.Error("the listener did not connect")
	}
	cancel()
	<-ended
}

// TestSourceOfTheEnvironment has no URL at all.
func TestSourceOfTheEnvironment(t *testing.T) {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for name, value := range map[string]string{
		"PGHOST": u.Hostname(), "PGPORT": u.Port(), "PGUSER": u.User.Username(), "PGPASSWORD": password,
		"PGDATABASE": strings.TrimPrefix(u.Path, "/"), "PGSSLMODE": "disable",
	} {
		t.Setenv(name, value)
	}
	pool, err := pg.NewPool(within(t), "", pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var database string
	if err := pool.QueryRow(within(t), "SELECT current_database()").Scan(&database); err != nil || "/"+database != u.Path {
		t.Errorf("connected to %q (%v), want %q", database, err, u.Path)
	}
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGSSLROOTCERT", "/nowhere/ca.crt")
	if _, err := (pg.Source{}).Config(); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.crt") {
		t.Errorf("got %v, want the file of the authorities in it", err)
	}
}

// TestBadURLDoesNotTellThePassword: what is malformed cannot be masked.
func TestBadURLDoesNotTellThePassword(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://u:sec/ret@h/db":                                    "percent-encoded",
		"postgres://u:sec@ret@h/db":                                    "percent-encoded",
		"postgres://u:%zsecret@h/db":                                   "percent-encoded",
		"host=h password=sec ret":                                      "percent-encoded",
		"postgres://u@h/db?sslmode=sometimes":                          "sslmode",
		"postgres://u:secret@h/db?sslrootcert=/gone&sslmode=verify-ca": "/gone",
	} {
		_, err := pg.Source{URL: text}.Config()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), "sec") || strings.Contains(err.Error(), "ret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
