package goose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash identifies the migrations that this binary knows, by their content.
func Hash() (string, error) {
	sum := sha256.New()
	entries, err := files.ReadDir(".")
	if err != nil {
		return "", fmt.Errorf("list migrations: %w", err)
	}
	for _, entry := range entries {
		content, err := files.ReadFile(entry.Name())
		if err != nil {
			return "", fmt.Errorf("read migration: %w", err)
		}
		// The length keeps what ends one file from beginning the next.
		if _, err := fmt.Fprintf(sum, "%s %d\n%s", entry.Name(), len(content), content); err != nil {
			return "", fmt.Errorf("hash migration: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
