package sql

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/postgres"
)

// TestTwoRoadsOneSchema compares a database made from sql/schema and sql/views
// with one that the migrations made.
func TestTwoRoadsOneSchema(t *testing.T) {
	t.Parallel()
	for name, describe := range map[string]func(*testing.T, string) string{
		"catalog": describeByCatalog,
		"pg_dump": describeByDump,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired, migrated := pgtest.Empty(t), pgtest.URL(t)
			applyFiles(t, desired, "schema", "views")
			want, got := describe(t, desired), describe(t, migrated)
			if !strings.Contains(want, "queue_order_idx") {
				t.Fatalf("the description lacks what is known to be there:\n%s", want)
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the migrations (+) lead elsewhere than sql/schema and sql/views (-):\n%s", diff)
			}
		})
	}
}

// TestDescriptionSeesChanges makes sure that the comparison can fail.
func TestDescriptionSeesChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"column":     "ALTER TABLE ark.workers ADD COLUMN extra text",
		"null":       "ALTER TABLE ark.workers ALTER COLUMN name DROP NOT NULL",
		"default":    "ALTER TABLE ark.queue ALTER COLUMN state DROP DEFAULT",
		"constraint": "ALTER TABLE ark.queue DROP CONSTRAINT queue_rank_check",
		"index":      "DROP INDEX ark.queue_order_idx",
		"trigger":    "DROP TRIGGER queue_notify ON ark.queue",
		"function":   "ALTER FUNCTION ark.notify_queue() STABLE",
		"storage":    "ALTER TABLE ark.queue SET (fillfactor = 71)",
		"comment":    "COMMENT ON COLUMN ark.queue.tag IS 'other'",
		"view":       "ALTER VIEW observe.queue RENAME COLUMN position TO place",
		"row":        "UPDATE ark.compatibility SET lowest_version = lowest_version + 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			before := describeByCatalog(t, url)
			run(t, url, change)
			if describeByCatalog(t, url) == before {
				t.Errorf("%s is not seen", change)
			}
		})
	}
}

func describeByCatalog(t *testing.T, url string) string {
	rows, err := connect(t, url).Query(t.Context(), readFile(t, "verify/describe.sql"))
	if err != nil {
		t.Fatalf("describe the schema: %v", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("describe the schema: %v", err)
	}
	return strings.Join(lines, "\n")
}

// noise is what says nothing about the schema, or differs between any two dumps.
var noise = regexp.MustCompile(`(?m)^(?:\\(?:un)?restrict .*|--.*|SET .*|)\n`)

// describeByDump sees more than the query, but needs a pg_dump that is not older
// than the server.
func describeByDump(t *testing.T, url string) string {
	var failure bytes.Buffer
	// goose's lock and history are not part of what is desired.
	cmd := exec.Command(pgDump(t, connect(t, url)), "--no-owner",
		"--exclude-table=ark.goose_lock", "--exclude-table-data=ark.goose_db_version*", "--dbname", url)
	cmd.Stderr = &failure
	dump, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, failure.Bytes())
	}
	return noise.ReplaceAllString(string(dump), "")
}

func pgDump(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	server, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	major, err := strconv.Atoi(server)
	if err != nil {
		t.Fatalf("the server's version is %q: %v", server, err)
	}
	b, err := postgres.FindMajor(t.Context(), major)
	if err != nil {
		t.Skipf("no PostgreSQL %d here: %v", major, err)
	}
	program := filepath.Join(b.Dir, "pg_dump")
	if _, err := os.Stat(program); err != nil {
		t.Skipf("PostgreSQL %d has no pg_dump here; the catalog is compared", major)
	}
	return program
}
