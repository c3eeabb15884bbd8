package goose_test

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, url, statements string) {
	t.Helper()
	if _, err := connect(t, url).PgConn().Exec(t.Context(), statements).ReadAll(); err != nil {
		t.Fatalf("run %q: %v", statements, err)
	}
}

func up(t *testing.T, url string) []goose.Result {
	t.Helper()
	results, err := goose.Up(t.Context(), url)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	return results
}

func works(t *testing.T, url string) {
	t.Helper()
	got, err := db.New().GetRevision(t.Context(), connect(t, url))
	if err != nil || got.Current != 1 {
		t.Errorf("a new database is at revision %d, want 1 (%v)", got.Current, err)
	}
}

func TestUpTwice(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	if first := up(t, url); len(first) == 0 {
		t.Error("nothing was applied to an empty database")
	}
	if second := up(t, url); len(second) != 0 {
		t.Errorf("applied again: %v", second)
	}
	works(t, url)
}

// TestUpTogether has processes migrate at the same time: one does it.
func TestUpTogether(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	latest, err := goose.Latest()
	if err != nil {
		t.Fatal(err)
	}
	const processes = 6
	applied := make([]int, processes)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range processes {
		group.Go(func() error {
			results, err := goose.Up(ctx, url)
			applied[i] = len(results)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var sum int
	for _, n := range applied {
		sum += n
	}
	if int64(sum) != latest {
		t.Errorf("%d migrations were applied by all together, want %d", sum, latest)
	}
	works(t, url)
}

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	all := up(t, url)
	for range all {
		if taken, err := goose.Down(t.Context(), url); err != nil || len(taken) != 1 {
			t.Fatalf("down: %v (%v)", taken, err)
		}
	}
	if _, err := db.New().GetRevision(t.Context(), connect(t, url)); err == nil {
		t.Error("all was taken back, and the tables are there")
	}
	if again := up(t, url); len(again) != len(all) {
		t.Errorf("applied %d migrations after the way back, want %d", len(again), len(all))
	}
	works(t, url)
}

// TestUpWithoutRightToCreateSchemas is how careful DBAs hand out a database.
func TestUpWithoutRightToCreateSchemas(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	role := "role_of" + strings.ReplaceAll(u.Path, "/", "_")
	run(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), admin)
		if err != nil {
			t.Fatalf("connect to drop the role: %v", err)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		if _, err := conn.PgConn().Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role).ReadAll(); err != nil {
			t.Errorf("drop the role: %v", err)
		}
	})
	u.User = url.UserPassword(role, "secret")
	if _, err := goose.Up(t.Context(), u.String()); err == nil || !strings.Contains(err.Error(), "schemas ark and observe") {
		t.Fatalf("up without schemas: got %v, want an error that says what is missing", err)
	}
	run(t, admin, "CREATE SCHEMA ark; CREATE SCHEMA observe; GRANT ALL ON SCHEMA ark, observe TO "+role)
	up(t, u.String())
	works(t, u.String())
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change string
		want   error
	}{
		"as it should be":                {"", nil},
		"newer":                          {"INSERT INTO ark.goose_db_version (version_id, is_applied) VALUES (99999, true)", nil},
		"newer, and asks for newer arks": {"UPDATE ark.compatibility SET lowest_version = 99999", goose.ErrTooNew},
		"older":                          {"DELETE FROM ark.goose_db_version WHERE version_id > 0", goose.ErrTooOld},
		"not Ark's":                      {"DROP SCHEMA ark CASCADE", goose.ErrTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			run(t, url, test.change)
			if err := goose.Check(t.Context(), connect(t, url), db.New()); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// TestCheckSaysWhenTheDatabaseFails: that is not an old schema.
func TestCheckSaysWhenTheDatabaseFails(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := goose.Check(ctx, conn, db.New()); err == nil || errors.Is(err, goose.ErrTooOld) {
		t.Errorf("got %v, want what is wrong with the connection", err)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	for _, step := range []struct{ command, says string }{
		{"status", "no"},
		{"up", "00001_init.sql applied"},
		{"up", "nothing to do"},
		{"down", "taken back"},
	} {
		cmd := goose.NewCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs([]string{step.command, "--database-url", url})
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.command, err)
		}
		if !strings.Contains(out.String(), step.says) {
			t.Errorf("%s prints %q, want %q in it", step.command, out.String(), step.says)
		}
	}
}
