// Package dev_test drives the built program `ark dev` from outside, as a person
// does: with the real kubectl, with signals, with a model endpoint over HTTP.
package dev_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/process"
)

// programs are built once for all tests of this package.
var programs struct {
	ark     string
	kubectl string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "ark-dev-test-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the program: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs.ark = filepath.Join(dir, "ark")
	build := exec.Command("go", "build", "-o", programs.ark, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build ark: %w\n%s", err, out)
	}
	tools, err := process.Programs()
	if err != nil {
		return 0, err
	}
	programs.kubectl = filepath.Join(tools, "kubectl")
	return m.Run(), nil
}

// dev is a running `ark dev`, and kubectl for it.
type dev struct {
	*kubectl.Client
	t       *testing.T
	dataDir string
	port    int
	args    []string
	cmd     *exec.Cmd
	stdout  *os.File // nil: the log
	log     *process.Log
	exited  chan error
}

// startDev starts `ark dev` over a data folder of its own and waits until it
// serves. Everything is stopped and removed with the test.
func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	d := newDev(t, args...)
	d.start()
	d.waitReady()
	return d
}

// newDev is one that was not started yet.
func newDev(t *testing.T, args ...string) *dev {
	t.Helper()
	dir := dataDir(t)
	d := &dev{t: t, dataDir: dir, port: process.FreePort(t), args: args}
	d.Client = &kubectl.Client{Program: programs.kubectl, Kubeconfig: filepath.Join(dir, "kubeconfig"), Home: dir,
		Diagnose: func() string { return process.Tail(d.log.String(), 60) }}
	return d
}

// dataDir is a folder that the unprivileged user of PostgreSQL can reach too:
// t.TempDir lies below folders of mode 0700 for root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ark-dev-data-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start runs the program; it may be called again after the last run ended.
func (d *dev) start() {
	d.t.Helper()
	args := append([]string{"dev", "--data-dir", d.dataDir, "--port", fmt.Sprint(d.port)}, d.args...)
	d.cmd = exec.Command(programs.ark, args...)
	d.log = &process.Log{}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if d.stdout != nil {
		d.cmd.Stdout = d.stdout
	}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatalf("start ark dev: %v", err)
	}
	exited := make(chan error, 1)
	cmd := d.cmd
	go func() { exited <- cmd.Wait() }()
	d.exited = exited
	d.t.Cleanup(func() { d.stop() })
}

// stop asks the program to end, as Ctrl-C does, and returns how it ended.
func (d *dev) stop() error {
	if d.exited == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	return d.waitExit(60 * time.Second)
}

// kill ends the program as the out-of-memory killer would.
func (d *dev) kill() {
	d.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatalf("kill ark dev: %v", err)
	}
	_ = d.waitExit(10 * time.Second)
}

func (d *dev) waitExit(limit time.Duration) error {
	select {
	case err := <-d.exited:
		d.exited = nil
		return err
	case <-time.After(limit):
		_ = d.cmd.Process.Signal(syscall.SIGQUIT)
		time.AfterFunc(5*time.Second, func() { _ = d.cmd.Process.Kill() })
		d.t.Errorf("ark dev did not end within %s:\n%s", limit, d.log)
		err := <-d.exited
		d.exited = nil
		return err
	}
}

func (d *dev) waitReady() {
	d.t.Helper()
	d.Eventually(d.t, 2*time.Minute, "ark dev is ready", func() error {
		select {
		case err := <-d.exited:
			d.exited = nil
			d.t.Fatalf("ark dev ended: %v\n%s", err, d.log)
		default:
		}
		_, err := d.Try("", "get", "--raw", "/readyz")
		return err
	})
}
