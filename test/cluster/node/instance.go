package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 5 * time.Minute
	// quiet is how long a container must have run for the back-off to begin anew.
	quiet = 10 * time.Minute
)

// instance is a container of a Pod, through all its restarts.
type instance struct {
	pod  *pod
	spec *corev1.Container

	mu       sync.Mutex
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	started  bool
	ready    bool
	id       string
	cmd      *exec.Cmd
	exited   chan struct{} // of the current process
}

func newInstance(p *pod, spec *corev1.Container) *instance {
	c := &instance{pod: p, spec: spec}
	c.state.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	if len(p.latest.Spec.InitContainers) == 0 {
		c.state.Waiting.Reason = "ContainerCreating"
	}
	return c
}

// set changes what is told of the container.
func (c *instance) set(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	c.pod.status.dirty()
}

func (c *instance) waiting(reason, message string) {
	c.set(func() {
		if c.state.Terminated != nil {
			c.last = c.state
		}
		c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
		c.ready, c.started = false, false
	})
}

// run runs the container until it is not started again: true if it has ended well.
func (c *instance) run() bool {
	backOff := time.Duration(0)
	for {
		begin := time.Now()
		code, ok := c.once()
		if !ok {
			return false
		}
		if !c.again(code) {
			return code == 0
		}
		if time.Since(begin) > quiet {
			backOff = 0
		}
		if backOff > 0 {
			c.pod.warn("BackOff", "Back-off restarting failed container %s", c.spec.Name)
			c.waiting("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s", backOff, c.spec.Name))
			if !c.pod.pause(backOff) {
				return false
			}
		}
		backOff = min(max(2*backOff, firstBackOff), maxBackOff)
		c.set(func() { c.restarts++ })
	}
}

// again says whether the container is started once more.
func (c *instance) again(code int32) bool {
	select {
	case <-c.pod.stopping:
		return false
	case <-c.pod.killed.Done():
		return false
	default:
	}
	init := false
	for _, i := range c.pod.inits {
		init = init || i == c
	}
	switch c.pod.object().Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	default:
		return !init || code != 0
	}
}

// once runs the container one time, as soon as it can be started; false: it was not,
// since the Pod is to end.
func (c *instance) once() (code int32, ok bool) {
	log, err := c.openLog()
	if err != nil {
		c.waiting("CreateContainerError", err.Error())
		return 0, false
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	said := ""
	for {
		err := c.start(log)
		if err == nil {
			break
		}
		var reason *reasonError
		if !errors.As(err, &reason) {
			reason = &reasonError{"CreateContainerError", err}
		}
		if err.Error() != said {
			said = err.Error()
			c.pod.warn("Failed", "Error: %v", err)
		}
		c.waiting(reason.reason, err.Error())
		if !c.pod.pause(retry) {
			return 0, false
		}
	}
	return c.wait(), true
}

// reasonError is what a container waits for, by the kubelet's name.
type reasonError struct {
	reason string
	error
}

func (e *reasonError) Unwrap() error { return e.error }

func (c *instance) logFile(restart int32) string {
	return filepath.Join(c.pod.node.podDir(c.pod.object().UID), "logs", c.spec.Name, strconv.Itoa(int(restart))+".log")
}

func (c *instance) openLog() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file := c.logFile(c.restarts)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of logs: %w", err)
	}
	return os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// start starts the process in the network of the Pod.
func (c *instance) start(log *os.File) error {
	file, err := c.prepare()
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "container", file)
	cmd.Args[0] = "container"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC, Setsid: true,
	}
	if err := c.pod.network.Do(cmd.Start); err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	now := metav1.Now()
	c.set(func() {
		if c.state.Terminated != nil {
			c.last = c.state
		}
		c.cmd, c.exited = cmd, make(chan struct{})
		c.id = "process://" + strconv.Itoa(cmd.Process.Pid)
		c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		c.started, c.ready = c.spec.StartupProbe == nil, c.spec.StartupProbe == nil && c.spec.ReadinessProbe == nil
	})
	return nil
}

// wait follows the running process until it has ended, and ends it when the Pod is
// to end.
func (c *instance) wait() int32 {
	begin := metav1.Now()
	probing, stop := context.WithCancel(c.pod.killed)
	var probes sync.WaitGroup
	probes.Go(func() { c.probe(probing) })
	ending := make(chan struct{})
	go func() {
		defer close(ending)
		select {
		case <-c.exited:
		case <-c.pod.stopping:
			c.end(c.pod.grace())
		case <-c.pod.killed.Done():
			_ = c.cmd.Process.Kill() // it may have ended
		}
	}()
	err := c.cmd.Wait()
	close(c.exited)
	<-ending
	stop()
	probes.Wait()
	code := exitCode(err)
	terminated := &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: "Completed", StartedAt: begin, FinishedAt: metav1.Now(), ContainerID: c.id,
	}
	if code != 0 {
		terminated.Reason = "Error"
	}
	c.set(func() {
		c.state = corev1.ContainerState{Terminated: terminated}
		c.ready, c.started = false, false
	})
	return code
}

func exitCode(err error) int32 {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int32(status.Signal()) //nolint:gosec // small
		}
		return int32(exit.ExitCode()) //nolint:gosec // small
	}
	return 255
}

// end asks the process to end, as a kubelet does: preStop, a signal, a last one.
func (c *instance) end(grace time.Duration) {
	c.pod.note("Killing", "Stopping container %s", c.spec.Name)
	deadline := time.After(grace)
	if c.spec.Lifecycle != nil && c.spec.Lifecycle.PreStop != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.preStop(c.spec.Lifecycle.PreStop, grace)
		}()
		select {
		case <-done:
		case <-c.exited:
		case <-c.pod.killed.Done():
		case <-deadline:
		}
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.exited:
	case <-c.pod.killed.Done():
	case <-deadline:
	}
	_ = c.cmd.Process.Kill() // as above
}

func (c *instance) preStop(h *corev1.LifecycleHandler, grace time.Duration) {
	ctx, cancel := context.WithTimeout(c.pod.killed, grace)
	defer cancel()
	var err error
	switch {
	case h.Sleep != nil:
		select {
		case <-ctx.Done():
		case <-c.exited:
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		}
	case h.HTTPGet != nil:
		err = c.get(ctx, h.HTTPGet)
	default:
		err = errors.New("only sleep and httpGet are supported here")
	}
	if err != nil {
		c.pod.warn("FailedPreStopHook", "PreStopHook failed: %v", err)
	}
}

// told is the status of the container.
func (c *instance) told() corev1.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return corev1.ContainerStatus{
		Name: c.spec.Name, State: c.state, LastTerminationState: c.last, Ready: c.ready, RestartCount: c.restarts,
		Image: c.spec.Image, ImageID: c.spec.Image, ContainerID: c.id, Started: ptr.To(c.started),
	}
}
