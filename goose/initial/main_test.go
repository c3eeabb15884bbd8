package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFirstMigrationIsFresh fails when sql/ was changed without make generate.
func TestFirstMigrationIsFresh(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "00001_init.sql")
	if err := write(filepath.Join("..", "..", "sql"), made); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "00001_init.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("goose/00001_init.sql is not what sql/schema and sql/views say: make generate")
	}
}
