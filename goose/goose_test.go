package goose_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
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

// TestCheckOfRights says which rights a role lacks, and to whom they must be given.
func TestCheckOfRights(t *testing.T) {
	t.Parallel()
	admin := pgtest.URL(t)
	r := newRole(t, admin, "")
	conn := connect(t, r.url)
	for _, step := range []struct{ grant, missing string }{
		{"", "GRANT USAGE ON SCHEMA ark TO " + r.name},
		{"GRANT USAGE ON SCHEMA ark TO %s", "GRANT SELECT ON TABLE ark.compatibility TO " + r.name},
		{"GRANT SELECT ON ALL TABLES IN SCHEMA ark TO %s", "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ark.counts TO " + r.name},
		{"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ark TO %s", ""},
		{"REVOKE DELETE ON ark.turns FROM %s", "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ark.turns TO " + r.name},
	} {
		if step.grant != "" {
			run(t, admin, fmt.Sprintf(step.grant, r.name))
		}
		err := goose.Check(t.Context(), conn, db.New())
		if step.missing == "" && err != nil || step.missing != "" && (!errors.Is(err, goose.ErrNoRights) || !strings.Contains(err.Error(), step.missing)) {
			t.Errorf("after %q: got %v, want %q", step.grant, err, step.missing)
		}
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
		out, err := command(t.Context(), step.command, "--database-url", url)
		if err != nil {
			t.Fatalf("%s: %v", step.command, err)
		}
		if !strings.Contains(out, step.says) {
			t.Errorf("%s prints %q, want %q in it", step.command, out, step.says)
		}
	}
}

// TestCommandTakesTheEnvironment has no --database-url: where the database is, is
// said as for psql.
func TestCommandTakesTheEnvironment(t *testing.T) {
	u, err := url.Parse(pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PGHOST": u.Hostname(), "PGPORT": u.Port(), "PGUSER": u.User.Username(), "PGPASSWORD": "wrong",
		"PGDATABASE": strings.TrimPrefix(u.Path, "/"), "PGSSLMODE": "disable",
	} {
		t.Setenv(name, value)
	}
	out, err := command(t.Context(), "up", "--database-password-file", file)
	if err != nil || !strings.Contains(out, "applied") {
		t.Errorf("up prints %q (%v)", out, err)
	}
	works(t, u.String())
}

// command runs `ark goose` and returns what it prints.
func command(ctx context.Context, args ...string) (string, error) {
	cmd := goose.NewCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}
