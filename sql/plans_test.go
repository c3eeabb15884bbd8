package sql

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/internal/pgtest"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// planMajor is the version of PostgreSQL that the golden plans are of: others
// may find others, and word them differently.
const planMajor = "15."

// TestPlans compares the plan of every statement with the one in sql/plans that
// was read and found good.
func TestPlans(t *testing.T) {
	t.Parallel()
	statements := compiledStatements(t)
	conn := plannerConn(t)
	version := conn.PgConn().ParameterStatus("server_version")
	if !strings.HasPrefix(version, planMajor) {
		if *update {
			t.Fatalf("plans are written with PostgreSQL %sx, this is %s", planMajor, version)
		}
		t.Skipf("plans are of PostgreSQL %sx, this is %s", planMajor, version)
	}
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		got := explain(t, conn, name, statements[name])
		path := filepath.Join("plans", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s has no golden plan (make plans): %v", name, err)
			continue
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("the plan of %s has changed (-golden +now); if it is as good, make plans:\n%s", name, diff)
		}
	}
	checkStale(t, statements)
}

// checkStale finds plans of statements that are no more.
func checkStale(t *testing.T, statements map[string]string) {
	files, err := filepath.Glob("plans/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if _, ok := statements[name]; ok {
			continue
		}
		if !*update {
			t.Errorf("%s is the plan of no statement (make plans)", file)
		} else if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

// compiledStatements returns what sqlc made of sql/queries, by name: exactly the
// text that Go sends.
func compiledStatements(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../gen/db/*.sql.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no generated statements (%v)", err)
	}
	statements := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if strings.HasPrefix(text, "-- name: ") {
				statements[spec.Names[0].Name] = text
			}
			return true
		})
	}
	return statements
}

// plannerConn is a session that plans for any parameters, on a database with
// enough rows to make the planner's choice the one that counts.
func plannerConn(t *testing.T) *pgx.Conn {
	t.Helper()
	url := pgtest.URL(t)
	run(t, url, readFile(t, "verify/fixture.sql"))
	run(t, url, readFile(t, "verify/analyze.sql"))
	conn := connect(t, url)
	if _, err := conn.PgConn().Exec(t.Context(), readFile(t, "verify/planner.sql")).ReadAll(); err != nil {
		t.Fatalf("set up the planner: %v", err)
	}
	return conn
}

func explain(t *testing.T, conn *pgx.Conn, name, statement string) string {
	t.Helper()
	plan, err := tryExplain(t, conn, name, statement)
	if err != nil {
		t.Fatalf("explain %s: %v", name, err)
	}
	return plan
}

func tryExplain(t *testing.T, conn *pgx.Conn, name, statement string) (string, error) {
	t.Helper()
	prepared, err := conn.Prepare(t.Context(), name, statement)
	if err != nil {
		return "", err
	}
	call := pgx.Identifier{name}.Sanitize()
	if n := len(prepared.ParamOIDs); n > 0 {
		call += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
	}
	rows, err := conn.Query(t.Context(), strings.Replace(readFile(t, "verify/explain.sql"), "{statement}", call, 1), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", err
	}
	return strings.Join(lines, "\n") + "\n", nil
}

var statementStart = regexp.MustCompile(`(?m)^-- name: (\w+) :(\w+)\n((?:--.*\n)*)`)

// TestStatementsSayTheirPlan holds the rules for sql/queries that sqlc does not.
func TestStatementsSayTheirPlan(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("queries/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no statements (%v)", err)
	}
	for _, file := range files {
		text := readFile(t, file)
		starts := statementStart.FindAllStringSubmatchIndex(text, -1)
		for i, at := range starts {
			end := len(text)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			name, kind, comment, body := text[at[2]:at[3]], text[at[4]:at[5]], text[at[6]:at[7]], text[at[7]:end]
			for _, problem := range problems(kind, comment, body) {
				t.Errorf("%s: %s %s", file, name, problem)
			}
		}
	}
}

var (
	untyped  = regexp.MustCompile(`sqlc\.n?arg\(\w+\)(?:[^:]|:[^:])`)
	shortArg = regexp.MustCompile(`[^@]@\w`)
)

func problems(kind, comment, body string) []string {
	var found []string
	if !strings.Contains(comment, "Plan:") {
		found = append(found, "does not say on which plan it counts")
	}
	if untyped.MatchString(body) {
		found = append(found, "has a parameter without a type")
	}
	if shortArg.MatchString(body) {
		found = append(found, "uses @, which sqlc takes for something else beside other operators")
	}
	bounded := strings.Contains(body, "LIMIT") || strings.Contains(body, "unnest(") || strings.Contains(body, "batch")
	if kind == "many" && !bounded {
		found = append(found, "returns any number of rows")
	}
	return found
}
