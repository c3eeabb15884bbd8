package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs builds the real Kubernetes programs, once, and returns their folder:
// kubectl alone, or with "cluster" a control plane, helm and what runs them too. It is
// for tests in the folders beside test/cluster.
func Programs(what ...string) (string, error) {
	build := exec.Command("./binaries.sh", what...)
	build.Dir = filepath.Join("..", "cluster")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("build Kubernetes' programs: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
