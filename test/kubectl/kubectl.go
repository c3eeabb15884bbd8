// Package kubectl drives the real kubectl in tests, and holds the script of what
// people do with it: the same for every way to run Ark.
package kubectl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/process"
)

// runLimit bounds one run of kubectl.
const runLimit = 2 * time.Minute

// Client is kubectl with a kubeconfig.
type Client struct {
	// Program is the path of kubectl.
	Program string
	// Kubeconfig is the path of the kubeconfig.
	Kubeconfig string
	// Home is where kubectl may keep its caches.
	Home string
	// Diagnose tells what the server's side printed, for failures; may be nil.
	Diagnose func() string
}

func (c *Client) environment() []string {
	return append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECTL_KUBERC=false", "HOME="+c.Home)
}

// Command is a run of kubectl that the caller starts.
func (c *Client) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Program, args...)
	cmd.Env = c.environment()
	return cmd
}

// Try runs kubectl and returns what it printed; an error carries that too.
func (c *Client) Try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	cmd := c.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String() + stderr.String(), nil
}

// Run runs kubectl and fails the test if kubectl fails.
func (c *Client) Run(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := c.Try(stdin, args...)
	if err != nil {
		t.Fatalf("%v%s", err, c.diagnosis())
	}
	return out
}

// MustFail runs kubectl, which must fail and say so in these words.
func (c *Client) MustFail(t testing.TB, stdin string, wants []string, args ...string) {
	t.Helper()
	out, err := c.Try(stdin, args...)
	if err == nil {
		t.Fatalf("kubectl %s did not fail:\n%s", strings.Join(args, " "), out)
	}
	Contain(t, err.Error(), wants...)
}

// Eventually repeats f until it returns nil, or fails the test at the limit.
func (c *Client) Eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	if err := process.Until(limit, f); err != nil {
		t.Fatalf("not within %s: %s: %v%s", limit, what, err, c.diagnosis())
	}
}

func (c *Client) diagnosis() string {
	if c.Diagnose == nil {
		return ""
	}
	return "\nThe server's side printed:\n" + c.Diagnose()
}

// Contain fails the test if an output lacks one of the texts.
func Contain(t testing.TB, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Fatalf("%q is missing in:\n%s", want, out)
		}
	}
}

// NotContain fails the test if an output has one of the texts.
func NotContain(t testing.TB, out string, unwanted ...string) {
	t.Helper()
	for _, s := range unwanted {
		if strings.Contains(out, s) {
			t.Fatalf("%q is unexpected in:\n%s", s, out)
		}
	}
}
