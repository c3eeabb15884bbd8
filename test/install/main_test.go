// Package install_test installs the chart with the real helm into a real control
// plane, whose node runs the chart's own Pods as processes (test/cluster), and does
// to it what operators and machines do.
package install_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"mckinsey.com/ark/test/process"
)

const (
	// insideVariable says that this process runs beside the control plane, and why
	// it does not where that cannot be had.
	insideVariable  = "ARK_INSTALL_TEST_INSIDE"
	skippedVariable = "ARK_INSTALL_TEST_SKIPPED"
	// cannotRun is the exit code of a cluster that cannot be made on this machine.
	cannotRun = 77
)

func TestMain(m *testing.M) {
	log.SetLogger(klog.Background())
	if os.Getenv(insideVariable) != "" || os.Getenv(skippedVariable) != "" {
		os.Exit(m.Run())
	}
	code, err := runInside(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runInside runs this very program again, beside a control plane in a network of
// its own, with the images of the program that it tests.
func runInside(m *testing.M) (int, error) {
	programs, err := process.Programs("cluster")
	if err != nil {
		return 0, err
	}
	images, err := os.MkdirTemp("", "ark-images-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for images: %w", err)
	}
	defer func() { _ = os.RemoveAll(images) }()
	if err := buildImages(images); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	args := append([]string{"run", "--images", images, "--", self}, os.Args[1:]...)
	cmd := exec.Command(filepath.Join(programs, "cluster"), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() == cannotRun:
		// The tests say so themselves, each.
		if err := os.Setenv(skippedVariable, "a cluster of processes cannot be made on this machine, see above"); err != nil {
			return 0, err
		}
		return m.Run(), nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, fmt.Errorf("run the tests beside a control plane: %w", err)
}

// Versions of the program, as tags of its image.
const (
	repository = "mckinsey/ark"
	// current is what the chart installs by default.
	current = "0.1.0"
	// next is the same program with one more migration.
	next = "0.2.0"
	// broken is the same with a migration that fails.
	broken = "0.3.0"
)

// migrations that the other versions have in addition, by tag.
var migrations = map[string]string{
	current: "",
	next:    "-- +goose Up\nALTER TABLE ark.objects ADD COLUMN note text;\n-- +goose Down\nALTER TABLE ark.objects DROP COLUMN note;\n",
	broken:  "-- +goose Up\nALTER TABLE ark.objects ADD COLUMN lost text;\nSELECT 1 / 0;\n-- +goose Down\nALTER TABLE ark.objects DROP COLUMN lost;\n",
}

// buildImages builds the versions and writes them as images that the node can run.
func buildImages(dir string) error {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return fmt.Errorf("find the sources: %w", err)
	}
	for tag, migration := range migrations {
		image := filepath.Join(dir, filepath.FromSlash(repository), tag)
		rootfs := filepath.Join(image, "rootfs")
		if err := os.MkdirAll(rootfs, 0o755); err != nil { //nolint:gosec // other users run it
			return fmt.Errorf("make the image %s: %w", tag, err)
		}
		args := []string{"build", "-ldflags", "-X main.version=" + tag, "-o", filepath.Join(rootfs, "ark")}
		if migration != "" {
			overlay, err := overlayMigration(dir, root, tag, migration)
			if err != nil {
				return err
			}
			args = append(args, "-overlay", overlay)
		}
		build := exec.Command("go", append(args, ".")...)
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // there is nothing beside it in the image
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build ark %s: %w\n%s", tag, err, out)
		}
		config, err := json.Marshal(map[string]any{"Entrypoint": []string{"/ark"}, "User": "65532:65532"})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(image, "config.json"), config, 0o644); err != nil { //nolint:gosec // as above
			return fmt.Errorf("make the image %s: %w", tag, err)
		}
	}
	return nil
}

// overlayMigration has a build see one more migration than there is.
func overlayMigration(dir, root, tag, text string) (string, error) {
	file := filepath.Join(dir, tag+".sql")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write a migration: %w", err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "goose", "09999_test.sql"): file}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, tag+".overlay.json")
	if err := os.WriteFile(name, overlay, 0o600); err != nil {
		return "", fmt.Errorf("write an overlay: %w", err)
	}
	return name, nil
}
