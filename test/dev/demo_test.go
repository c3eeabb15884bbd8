package dev_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/process"
)

// TestDemo is the first run of a new user, to its end.
func TestDemo(t *testing.T) {
	cmd := exec.Command(programs.ark, "dev", "--demo", "--exit", "--data-dir", dataDir(t), "--port", fmt.Sprint(process.FreePort(t)))
	cmd.Env = append(os.Environ(), "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo failed: %v\n%s", err, out)
	}
	kubectl.Contain(t, string(out), "NAME", "TYPE", "PHASE", "DURATION", "AGE", "done", "KUBECONFIG=", "postgres://", "scripted")
	kubectl.NotContain(t, string(out), "error")
}

// TestDemoThatFails cannot write the settings of its model, then asks a model that
// is not there: the first ends it, the second is said, and leaves everything
// running to be looked at.
func TestDemoThatFails(t *testing.T) {
	d := startDev(t)
	d.Run(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: demo-model}\nimmutable: true\n", "create", "-f", "-")
	if err := d.stop(); err != nil {
		t.Fatalf("stop by interrupt: %v\n%s", err, d.log)
	}
	d.args = []string{"--demo"}
	d.start()
	if err := d.waitExit(time.Minute); err == nil {
		t.Errorf("a demo without its samples ended well:\n%s", d.log)
	}
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	kubectl.Contain(t, lines[len(lines)-1], "ark: set up the demo", "immutable")

	d.args = nil
	d.start()
	d.waitReady()
	d.Run(t, "", "delete", "secret", "demo-model")
	if err := d.stop(); err != nil {
		t.Fatalf("stop by interrupt: %v\n%s", err, d.log)
	}
	t.Setenv("OPENAI_BASE_URL", fmt.Sprintf("http://127.0.0.1:%d/v1", process.FreePort(t)))
	d.args = []string{"--demo"}
	d.start()
	d.Eventually(t, 2*time.Minute, "the failure of the demo is told", func() error {
		if !strings.Contains(d.log.String(), "ark: not all sample queries are done: ") {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	d.waitReady()
	kubectl.Contain(t, d.log.String(), "KUBECONFIG=")
	if err := d.stop(); err != nil {
		t.Errorf("stop by interrupt: %v\n%s", err, d.log)
	}
}
