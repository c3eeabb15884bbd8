package goose

import (
	"io/fs"
	"testing/fstest"
)

// WithMigration is the database for a binary that has one more migration.
func (d Database) WithMigration(name, text string) (Database, error) {
	all := fstest.MapFS{name: {Data: []byte(text)}}
	known, err := fs.Glob(files, "*.sql")
	if err != nil {
		return d, err
	}
	for _, file := range known {
		content, err := files.ReadFile(file)
		if err != nil {
			return d, err
		}
		all[file] = &fstest.MapFile{Data: content}
	}
	d.migrations = all
	return d, nil
}
