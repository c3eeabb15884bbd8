package goose_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/test/process"
)

// patience is what is waited for what must happen; it decides nothing.
const patience = time.Minute

// TestUpWaits has the database become usable step by step.
func TestUpWaits(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	r := newRole(t, admin, "")
	run(t, admin, "GRANT CREATE ON DATABASE "+databaseOf(t, admin)+" TO "+r.name+"; ALTER ROLE "+r.name+" NOLOGIN")
	file := filepath.Join(t.TempDir(), "password")
	lines := make(process.LogLines, 100)
	ctx, cancel := context.WithTimeout(klog.NewContext(context.Background(), klog.New(lines)), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := goose.Database{Source: pg.Source{URL: r.url, PasswordFile: file}, Timeout: patience}.Up(ctx)
		ended <- err
	}()
	for _, step := range []struct {
		says string
		mend func()
	}{
		{"read the password of the database: open " + file, func() { replaceFile(t, file, "wrong") }},
		{"PostgreSQL refuses the password", func() { replaceFile(t, file, "secret\n") }},
		{"is not permitted to log in", func() { run(t, admin, "ALTER ROLE "+r.name+" LOGIN") }},
	} {
		select {
		case line := <-lines:
			if !strings.Contains(line, step.says) {
				t.Fatalf("the log says %q, want %q", line, step.says)
			}
		case err := <-ended:
			t.Fatalf("up ended (%v) and did not say %q", err, step.says)
		}
		step.mend()
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(lines) > 0 {
		t.Errorf("the log says more: %q", <-lines)
	}
	works(t, r.url)
}

// replaceFile writes a file at once, as the kubelet does: nobody sees half of it.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func databaseOf(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// otherDatabase is the url with another database in it, which is dropped at the end.
func otherDatabase(t *testing.T, admin, text string) (name, other string) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	name = databaseOf(t, admin) + "_new"
	u.Path = "/" + name
	t.Cleanup(func() {
		if _, err := connectLate(t, admin).Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return name, u.String()
}

// TestUpGivesUp after the timeout, with the last reason.
func TestUpGivesUp(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	name, other := otherDatabase(t, admin, admin)
	for reason, test := range map[string]struct{ url, want string }{
		"no database":    {other, fmt.Sprintf("waited 1ns for the database: database %q does not exist", name)},
		"no server":      {"postgres://u@127.0.0.1:1/d", "waited 1ns for the database: no PostgreSQL listens at 127.0.0.1:1"},
		"no authorities": {"postgres://u@h/d?sslmode=verify-ca&sslrootcert=/gone/ca.crt", "waited 1ns for the database: read what the database settings name: open /gone/ca.crt"},
	} {
		_, err := goose.Database{Source: pg.Source{URL: test.url}, Timeout: time.Nanosecond}.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", reason, err, test.want)
		}
	}
}

// TestCreateDatabase has processes make the missing database at the same time.
func TestCreateDatabase(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	r := newRole(t, admin, "")
	name, other := otherDatabase(t, admin, r.url)
	up := func(ctx context.Context) error {
		_, err := goose.Database{Source: pg.Source{URL: other}, Create: true, Timeout: patience}.Up(ctx)
		return err
	}
	want := fmt.Sprintf(`database %q does not exist and role %q may not create it; run: CREATE DATABASE "%[1]s" OWNER "%[2]s"`, name, r.name)
	if err := up(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want at once: %s", err, want)
	}
	run(t, admin, "ALTER ROLE "+r.name+" CREATEDB")
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		group.Go(func() error { return up(ctx) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	works(t, other)
}

// TestUpWithoutRightToCreateSchemas is how careful DBAs hand out a database.
func TestUpWithoutRightToCreateSchemas(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]string{
		"schemas of its own":  "CREATE SCHEMA ark AUTHORIZATION %[2]s; CREATE SCHEMA observe AUTHORIZATION %[2]s",
		"schemas of another":  "CREATE SCHEMA ark; CREATE SCHEMA observe; GRANT ALL ON SCHEMA ark, observe TO %[2]s",
		"the right to create": "GRANT CREATE ON DATABASE %[1]s TO %[2]s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := pgtest.Empty(t)
			r, database := newRole(t, admin, ""), databaseOf(t, admin)
			_, err := goose.Database{Source: pg.Source{URL: r.url}, Timeout: patience}.Up(t.Context())
			for _, want := range []string{
				fmt.Sprintf("GRANT CREATE ON DATABASE %q TO %q", database, r.name),
				fmt.Sprintf("CREATE SCHEMA ark AUTHORIZATION %[1]q; CREATE SCHEMA observe AUTHORIZATION %[1]q", r.name),
			} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("up without schemas: got %v, want %q", err, want)
				}
			}
			run(t, admin, fmt.Sprintf(mend, database, r.name))
			up(t, r.url)
			works(t, r.url)
		})
	}
}

// TestFailedMigration leaves the schema as it was, and says what failed.
func TestFailedMigration(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	broken, err := goose.Database{Source: pg.Source{URL: u}, Timeout: patience}.WithMigration("00002_broken.sql",
		"-- +goose Up\nALTER TABLE ark.objects ADD COLUMN lost text;\nSELECT 1 / 0;\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("got %v, want what failed", err)
	}
	var columns int
	if err := connect(t, u).QueryRow(t.Context(), "SELECT count(*) FROM information_schema.columns WHERE column_name = 'lost'").Scan(&columns); err != nil || columns != 0 {
		t.Errorf("half a migration is left (%v)", err)
	}
	if again := up(t, u); len(again) != 0 {
		t.Errorf("applied %v afterwards", again)
	}
}

// TestUpOfAnOlderBinary on a newer schema: there is nothing to do, unless a migration
// asks for a newer binary.
func TestUpOfAnOlderBinary(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		migration string
		want      error
	}{
		"compatible":     {"ALTER TABLE ark.objects ADD COLUMN note text;", nil},
		"not compatible": {"UPDATE ark.compatibility SET lowest_version = 2;", goose.ErrTooNew},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			older := goose.Database{Source: pg.Source{URL: pgtest.URL(t)}, Timeout: patience}
			newer, err := older.WithMigration("00002_next.sql", "-- +goose Up\n"+test.migration+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if applied, err := newer.Up(t.Context()); err != nil || len(applied) != 1 {
				t.Fatalf("the newer binary applied %v (%v)", applied, err)
			}
			if applied, err := older.Up(t.Context()); !errors.Is(err, test.want) || len(applied) != 0 {
				t.Errorf("the older binary applied %v (%v), want %v", applied, err, test.want)
			}
			out, err := command(t.Context(), "up", "--database-url", older.URL)
			if !errors.Is(err, test.want) || err == nil && out != "nothing to do\n" {
				t.Errorf("up prints %q (%v)", out, err)
			}
			if applied, err := newer.Up(t.Context()); err != nil || len(applied) != 0 {
				t.Errorf("the newer binary applied %v afterwards (%v)", applied, err)
			}
		})
	}
}
