package postgres

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultDataHome returns the folder below which data is kept unless the user
// says otherwise: $XDG_DATA_HOME/ark or ~/.local/share/ark, and /var/lib/ark for
// root, whose home PostgreSQL could not reach.
func DefaultDataHome() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/ark", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ark"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "ark"), nil
}

// cacheHome returns where downloaded programs are kept: the user's cache, and
// /var/cache/ark for root, for the same reason.
func cacheHome() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/ark", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for downloads: %w", err)
	}
	return filepath.Join(dir, "ark"), nil
}
