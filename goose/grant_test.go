package goose_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

// newRoles are a role that migrates a database, and one that works on it.
func newRoles(t *testing.T) (owner, worker testRole) {
	t.Helper()
	admin := pgtest.Empty(t)
	worker = newRole(t, admin, "_w")
	owner = newRole(t, admin, "_o") // dropped first, with the default rights that it gave
	run(t, admin, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", databaseOf(t, admin), owner.name))
	return owner, worker
}

func grantTo(owner testRole, roles ...string) goose.Database {
	return goose.Database{Source: pg.Source{URL: owner.url}, GrantTo: roles}
}

// TestGrant has one role migrate and another one work: that one may do what servers
// and workers do, with what later migrations make too, and nothing else.
func TestGrant(t *testing.T) {
	t.Parallel()
	owner, worker := newRoles(t)
	for range 2 { // it may be done again
		if _, err := grantTo(owner, worker.name, owner.name).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := goose.Check(t.Context(), connect(t, worker.url), db.New()); err != nil {
		t.Errorf("the role may not work: %v", err)
	}
	newer, err := goose.Database{Source: pg.Source{URL: owner.url}}.WithMigration("00002_next.sql", `-- +goose Up
CREATE TABLE ark.later (n int);
CREATE SEQUENCE ark.numbers;
CREATE VIEW observe.later AS SELECT n FROM ark.later;
`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newer.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for statement, may := range map[string]bool{
		"INSERT INTO ark.later VALUES (nextval('ark.numbers'))": true,
		"SELECT count(*) FROM observe.later":                    true,
		"SELECT count(*) FROM observe.queries":                  true,
		"CREATE TEMP TABLE mine (n int)":                        true, // as anybody
		"CREATE TABLE ark.mine (n int)":                         false,
		"CREATE TABLE observe.mine (n int)":                     false,
		"ALTER TABLE ark.objects ADD COLUMN mine int":           false,
		"DROP TABLE ark.turns":                                  false,
		"TRUNCATE ark.turns":                                    false,
		"DROP SCHEMA ark CASCADE":                               false,
		"UPDATE ark.compatibility SET lowest_version = 9":       false,
		"DELETE FROM ark.goose_db_version":                      false,
		"SELECT count(*) FROM ark.goose_lock":                   false,
		"INSERT INTO observe.later VALUES (1)":                  false,
	} {
		_, err := connect(t, worker.url).Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if may && err != nil || !may && (!errors.As(err, &refused) || refused.Code != "42501") {
			t.Errorf("%s: %v, may: %t", statement, err, may)
		}
	}
}

// TestGrantedRoleKeepsTheStore writes, reads and listens with the rights of a role
// that they were given to.
func TestGrantedRoleKeepsTheStore(t *testing.T) {
	t.Parallel()
	owner, worker := newRoles(t)
	if _, err := grantTo(owner, worker.name).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pool, err := pg.NewPool(ctx, worker.url, pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := store.Open(ctx, pool, store.Options{})
	defer s.Close()
	var at int64
	for _, body := range []string{"a", "b", ""} {
		w := store.Write{Resource: "things", Key: "k", Expect: at}
		if body != "" {
			w.Body = []byte(body)
		}
		if at, err = s.Write(ctx, w); err != nil {
			t.Fatalf("write %q: %v", body, err)
		}
	}
	if _, err := s.GetRevision(ctx); err != nil {
		t.Error(err)
	}
}

// TestGrantTogether has processes give rights at the same time.
func TestGrantTogether(t *testing.T) {
	t.Parallel()
	owner, worker := newRoles(t)
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		group.Go(func() error {
			_, err := grantTo(owner, worker.name).Up(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestGrantToNobody is refused before anything is done.
func TestGrantToNobody(t *testing.T) {
	t.Parallel()
	owner, _ := newRoles(t)
	applied, err := grantTo(owner, "no body").Up(t.Context())
	if want := `role "no body" does not exist; run: CREATE ROLE "no body" LOGIN`; err == nil || !strings.Contains(err.Error(), want) || len(applied) != 0 {
		t.Errorf("applied %v, got %v, want %s", applied, err, want)
	}
}

// TestMayNotGrant: the schemas are another one's, who has to run what the error says.
func TestMayNotGrant(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	worker := newRole(t, admin, "_w")
	owner := newRole(t, admin, "_o")
	run(t, admin, "CREATE SCHEMA ark; CREATE SCHEMA observe; GRANT ALL ON SCHEMA ark, observe TO "+owner.name)
	_, err := grantTo(owner, worker.name).Up(t.Context())
	want := "the owner of the schemas must run: GRANT USAGE ON SCHEMA ark TO " + worker.name + "; GRANT USAGE ON SCHEMA observe TO " + worker.name
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %s", err, want)
	}
	run(t, admin, "GRANT USAGE ON SCHEMA ark, observe TO "+worker.name)
	if _, err := grantTo(owner, worker.name).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := goose.Check(t.Context(), connect(t, worker.url), db.New()); err != nil {
		t.Error(err)
	}
}
