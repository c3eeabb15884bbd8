package sql

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// statement is a text that begins as a statement of SQL does, and not as an
// English sentence that happens to begin with the same word.
var statement = regexp.MustCompile(`(?is)^\s*(?:` + strings.Join([]string{
	`select\s.*\bfrom\b`, `select\s+[\w.]+\(`, `insert\s+into\s`, `update\s+\S+\s+set\s`, `delete\s+from\s`,
	`with\s+(?:recursive\s+)?\w+\s+as\s*\(`, `(?:create|alter|drop|comment\s+on)\s+(?:table|schema|index|view|database|role|function|trigger)\s`,
	`truncate\s`, `(?-i:(?:UN)?LISTEN|NOTIFY)\s`, `lock\s+table`, `set\s+(?:local\s+)?\w+\s*(?:=|to)`, `vacuum\b`, `analyze\b`,
}, "|") + `)`)

// allowed says where SQL may stand in Go, and why.
var allowed = map[string]string{
	"sql":                   "the tests of the statements",
	"goose":                 "the tests of the migrations",
	"gen":                   "what sqlc made",
	"internal/pg/listen.go": "LISTEN, which sqlc cannot compile",
}

// TestNoSQLInGo holds the rule that SQL stands in sql and goose.
func TestNoSQLInGo(t *testing.T) {
	t.Parallel()
	const root = ".."
	var files int
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if allowed[filepath.ToSlash(name)] != "" || strings.HasPrefix(entry.Name(), ".") && path != root {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// Tests may look into the database in any way.
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		return checkFile(t, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}

func checkFile(t *testing.T, path string) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && statement.MatchString(text) {
			t.Errorf("%s: SQL in Go: %.60q; put it into sql/queries", fset.Position(literal.Pos()), text)
		}
		return true
	})
	return nil
}

func TestStatementIsRecognised(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"SELECT 1 FROM ark.queue":              true,
		"select now()":                         true,
		"\n  UPDATE ark.queue SET state = 'x'": true,
		"LISTEN ark_events":                    true,
		"SET statement_timeout = 0":            true,
		"WITH a AS (SELECT)":                   true,
		"select the target":                    false,
		"update of the status":                 false,
		"create a table":                       false,
		"listen on port %d: %w":                false,
		"delete a query":                       false,
		"with a model":                         false,
	} {
		if statement.MatchString(text) != want {
			t.Errorf("%q: got %v, want %v", text, !want, want)
		}
	}
}
