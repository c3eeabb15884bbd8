package pgtest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mckinsey.com/ark/gen/db"
)

func TestDatabasesAreMigratedAndApart(t *testing.T) {
	t.Parallel()
	one, other := DB(t), DB(t)
	queries := db.New()
	if err := queries.SetRevision(t.Context(), one, 7); err != nil {
		t.Fatalf("write to the first database: %v", err)
	}
	for name, test := range map[string]struct {
		conn db.DBTX
		want int64
	}{"written": {one, 7}, "other": {other, 1}} {
		got, err := queries.GetRevision(t.Context(), test.conn)
		if err != nil {
			t.Fatalf("%s: read the revision: %v", name, err)
		}
		if got.Current != test.want {
			t.Errorf("%s: revision is %d, want %d", name, got.Current, test.want)
		}
	}
}

func TestDatabaseIsDroppedAfterItsTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("user", func(t *testing.T) {
		url = URL(t)
		if _, err := pgx.Connect(t.Context(), url); err != nil { // left open: the drop throws it out
			t.Fatalf("connect: %v", err)
		}
	})
	_, err := pgx.Connect(context.Background(), url)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "3D000" { // invalid_catalog_name
		t.Fatalf("connect to the database of an ended test: got %v, want that it does not exist", err)
	}
}
