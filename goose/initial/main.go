// Command initial writes the first migration, goose/00001_init.sql, from
// sql/schema and sql/views. Once a version of Ark has been released, the first
// migration stays as it is, and changes are migrations of their own.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	header = "-- Made by `make generate` from sql/schema and sql/views: change those.\n\n-- +goose Up\n"
	// The version table is goose's own.
	gooseTable = "goose_db_version.sql"
)

func main() {
	if err := write("sql", filepath.Join("goose", "00001_init.sql")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(from, to string) error {
	var up, down []string
	for _, folder := range []string{"schema", "views"} {
		files, err := filepath.Glob(filepath.Join(from, folder, "*.sql")) // sorted: parents come first
		if err != nil {
			return fmt.Errorf("list %s: %w", folder, err)
		}
		for _, file := range files {
			if filepath.Base(file) == gooseTable {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			up = append(up, Up(string(content)))
			down = append(down, Down(string(content))...)
		}
	}
	slices.Reverse(down)
	text := header + strings.Join(up, "\n") + "\n-- +goose Down\n" + strings.Join(down, "\n") + "\n"
	if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the first migration: %w", err)
	}
	return nil
}

var (
	function = regexp.MustCompile(`(?ms)^CREATE FUNCTION .*?\n\$\$;`)
	schema   = regexp.MustCompile(`(?m)^CREATE SCHEMA (\w+);\n(COMMENT ON SCHEMA \w+ IS '(?:[^']|'')*');`)
	object   = regexp.MustCompile(`(?m)^CREATE (TABLE|VIEW|FUNCTION|SEQUENCE) (\w+\.\w+(?:\([^)]*\))?)`)
)

// schemaIfMissing lets a role migrate that may not create schemas but was given
// them: then it may not comment on them either.
const schemaIfMissing = `-- +goose StatementBegin
DO $$$$
BEGIN
    IF to_regnamespace('$1') IS NULL THEN
        CREATE SCHEMA $1;
    END IF;
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = '$1'), 'USAGE') THEN
        $2;
    END IF;
END
$$$$;
-- +goose StatementEnd`

// Up is a file of the desired state as a part of a goose migration.
func Up(content string) string {
	content = function.ReplaceAllString(content, "-- +goose StatementBegin\n$0\n-- +goose StatementEnd")
	return schema.ReplaceAllString(content, schemaIfMissing)
}

// Down lists how to drop what the file creates, to be done last to first: tables
// before the functions of their triggers. Schemas stay: one holds goose's own
// table, and both may have been made by somebody else.
func Down(content string) []string {
	var functions, others []string
	for _, match := range object.FindAllStringSubmatch(content, -1) {
		drop := fmt.Sprintf("DROP %s %s;", match[1], match[2])
		if match[1] == "FUNCTION" {
			functions = append(functions, drop)
		} else {
			others = append(others, drop)
		}
	}
	return append(functions, others...)
}
