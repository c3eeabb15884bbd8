package postgres

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// stopTimeout is how long a server may take to write its data and end before it
// is told to end without.
const stopTimeout = 30 * time.Second

// Run supervises the server until the context ends, then stops it. A server that
// ends before is started again on the same port, at once and then with growing
// pauses, for as long as it takes.
func (s *Server) Run(ctx context.Context) error {
	for {
		s.mu.Lock()
		p := s.process
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return s.Stop(context.WithoutCancel(ctx))
		case <-p.done:
		}
		if s.isStopped() {
			return nil
		}
		klog.FromContext(ctx).Error(exitError(p.err), "PostgreSQL ended unexpectedly, starting it again", "pid", p.cmd.Process.Pid)
		s.restart(ctx)
	}
}

// firstLaunch tries a few times: sessions of a killed server keep its shared
// memory for a moment, and a new one refuses to start meanwhile.
func (s *Server) firstLaunch(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.launch(ctx)
		if !errors.Is(err, errEnded) || attempt == 4 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// restart tries until the server runs again or the context ends.
func (s *Server) restart(ctx context.Context) {
	logger := klog.FromContext(ctx)
	pause := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: 10 * time.Second}
	for ctx.Err() == nil && !s.isStopped() {
		err := s.launch(ctx)
		if err == nil {
			logger.Info("PostgreSQL runs again", "pid", s.PID())
			return
		}
		logger.Error(err, "PostgreSQL does not start, trying again")
		s.end(context.WithoutCancel(ctx))
		select {
		case <-ctx.Done():
		case <-time.After(pause.Step()):
		}
	}
}

// end kills a server that did not become ready.
func (s *Server) end(ctx context.Context) {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if err := p.signal(syscall.SIGQUIT); err != nil {
		klog.FromContext(ctx).Error(err, "Cannot stop the PostgreSQL that did not become ready")
		return
	}
	<-p.done
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// Stop ends the server: sessions are cut off, data is written (fast shutdown).
// When the context ends, or after 30 s, it ends without writing; nothing is lost
// by that, the next start takes longer. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	p, already := s.process, s.stopped
	s.stopped = true
	s.mu.Unlock()
	if already {
		return nil
	}
	var err error
	if p != nil {
		err = p.stop(ctx)
	}
	return errors.Join(err, s.lock.Close())
}

func (p *process) stop(ctx context.Context) error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{syscall.SIGINT, stopTimeout}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := p.signal(step.signal); err != nil {
			return err
		}
		timer := time.NewTimer(step.timeout)
		select {
		case <-p.done:
			timer.Stop()
			return nil
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	// With an ended context all signals are sent in a row: still see its end.
	select {
	case <-p.done:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("PostgreSQL, process %d, does not end", p.cmd.Process.Pid)
	}
}
