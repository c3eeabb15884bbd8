package sql

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/internal/pgtest"
)

var withSQLC = flag.Bool("sqlc", false, "run sqlc too, which takes minutes to build the first time")

// TestBothAnalyses generates Go once more with the types that PostgreSQL itself
// finds, and wants what sqlc's own analysis made. Where the two differ, a
// parameter or a computed column has no type, and sqlc has guessed.
func TestBothAnalyses(t *testing.T) {
	t.Parallel()
	if !*withSQLC {
		t.Skip("make verify runs it")
	}
	dir := t.TempDir()
	config := analyzedConfig(t, dir, pgtest.URL(t))
	sqlc(t, "generate", "-f", config)
	files, err := filepath.Glob("../gen/db/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no generated files (%v)", err)
	}
	for _, file := range files {
		got := readFile(t, filepath.Join(dir, "db", filepath.Base(file)))
		if diff := cmp.Diff(readFile(t, file), got); diff != "" {
			t.Errorf("%s differs between sqlc's analysis (-) and PostgreSQL's (+):\n%s", filepath.Base(file), diff)
		}
	}
	sqlc(t, "vet", "-f", config)
}

// analyzedConfig is sqlc.yaml with a database that sqlc asks, and another folder
// for what it generates.
func analyzedConfig(t *testing.T, dir, database string) string {
	t.Helper()
	var config map[string]any
	if err := yaml.Unmarshal([]byte(readFile(t, "../sqlc.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	toRoot, err := filepath.Rel(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range config["sql"].([]any) {
		entry := entry.(map[string]any)
		for i, folder := range entry["schema"].([]any) {
			entry["schema"].([]any)[i] = filepath.Join(toRoot, folder.(string))
		}
		entry["queries"] = filepath.Join(toRoot, entry["queries"].(string))
		entry["database"] = map[string]any{"uri": database}
		entry["rules"] = []any{"sqlc/db-prepare"}
		entry["gen"].(map[string]any)["go"].(map[string]any)["out"] = "db"
	}
	content, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sqlc.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sqlc(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"tool", "-modfile=go.tools.mod", "sqlc"}, args...)...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
