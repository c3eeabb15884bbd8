package dev_test

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
)

// mustBeGone fails if the PostgreSQL that the program ran outlives it.
func mustBeGone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("PostgreSQL, process %d, was left running (%v)", pid, err)
	}
}

// TestClosedTerminal sends what the kernel and then the shell send to a program
// whose terminal is closed.
func TestClosedTerminal(t *testing.T) {
	// A parent that ignores hangups, such as nohup, hands that down, and ark dev heeds
	// it. A signal that is caught here is at its default in a new program.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	d := startDev(t)
	pid := postmasterPID(t, d.dataDir)
	for range 2 {
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.waitExit(time.Minute); err != nil {
		t.Errorf("it ended with %v:\n%s", err, d.log)
	}
	mustBeGone(t, pid)
}

// TestNobodyReads is `ark dev --demo | head -0`: the program goes on, and stops in
// order when it is asked to.
func TestNobodyReads(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	t.Setenv("OPENAI_API_KEY", "")
	t.Setenv("OPENAI_BASE_URL", "")
	d := newDev(t, "--demo")
	d.stdout = writer
	d.start()
	d.waitReady()
	d.Eventually(t, time.Minute, "the last sample is there", func() error {
		_, err := d.Try("", "wait", "--for=condition=Completed", "query", "--all", "--timeout=60s")
		return err
	})
	pid := postmasterPID(t, d.dataDir)
	if err := d.stop(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, d.log)
	}
	kubectl.NotContain(t, d.log.String(), "ark: ")
	mustBeGone(t, pid)
}

// TestInterruptedStart stops a first start in the middle: that is no failure, and
// the next start completes it.
func TestInterruptedStart(t *testing.T) {
	d := newDev(t)
	d.start()
	d.waitPrinted("starting PostgreSQL")
	if err := d.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	if lines[len(lines)-1] != "stopping" {
		t.Errorf("it printed:\n%s", d.log)
	}
	kubectl.NotContain(t, d.log.String(), "ark: ")
	d.start()
	d.waitPrinted("Ctrl-C stops everything")
	if err := d.stop(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, d.log)
	}
	// An ordinary end has nothing to say but that it comes.
	_, after, _ := strings.Cut(d.log.String(), "Ctrl-C stops everything; the data stays.\n")
	if after != "stopping\n" {
		t.Errorf("at the end it printed:\n%s", after)
	}
}
