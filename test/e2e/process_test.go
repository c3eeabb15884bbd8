package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	proc "mckinsey.com/ark/test/process"
)

// process is a program that runs beside the tests.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    *proc.Log
	exited chan struct{}
	err    error // once exited is closed
}

// tail is the end of what the process printed.
func (p *process) tail() string {
	return p.name + ":\n" + proc.Tail(p.log.String(), 40)
}

// run starts a program, which ends with the test at the latest, and with the
// process of the tests however that ends.
func run(t testing.TB, name, program string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(program, args...), log: &proc.Log{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(os.Environ(), "HOME="+os.TempDir())
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop asks the program to end, as a kubelet does, and waits for it.
func (p *process) stop(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		t.Errorf("%s did not end within a minute:\n%s", p.name, p.tail())
	}
}

// kill ends the program as the kernel does that runs out of memory.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// alive fails the test if the program has ended.
func (p *process) alive(t testing.TB) {
	t.Helper()
	select {
	case <-p.exited:
		t.Fatalf("%s has ended (%v):\n%s", p.name, p.err, p.tail())
	default:
	}
}

func freePort(t testing.TB) int { return proc.FreePort(t) }

// eventually repeats f until it returns nil, or fails the test at the limit.
func eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	if err := proc.Until(limit, f); err != nil {
		t.Fatalf("not within %s: %s: %v", limit, what, err)
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func address(port int) string { return fmt.Sprintf("https://127.0.0.1:%d", port) }
