package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"
)

// healthTimeout bounds what a client of the probes may take.
const healthTimeout = 10 * time.Second

// health answers a kubelet's probes of modules that have no API server of their
// own: /livez as long as the process works, /readyz once all that it waits for is
// there. The zero value knows of nothing to wait for.
type health struct {
	mu     sync.Mutex
	checks []healthz.HealthChecker
}

// add has readiness wait for something.
func (h *health) add(name string, check func(*http.Request) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, healthz.NamedCheck(name, check))
}

// gate has readiness wait until the returned function is called.
func (h *health) gate(name, closed string) (open func()) {
	opened := make(chan struct{})
	h.add(name, func(*http.Request) error {
		select {
		case <-opened:
			return nil
		default:
			return errors.New(closed)
		}
	})
	return sync.OnceFunc(func() { close(opened) })
}

// ready is all that is waited for, in one.
func (h *health) ready(r *http.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []error
	for _, check := range h.checks {
		if err := check.Check(r); err != nil {
			all = append(all, fmt.Errorf("%s: %w", check.Name(), err))
		}
	}
	return errors.Join(all...)
}

// serve answers what is waited for, and why: whoever looks after the process reads it.
func (h *health) serve(w http.ResponseWriter, r *http.Request) {
	if err := h.ready(r); err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusInternalServerError) // as the API server says it: clients show the text
		return
	}
	_, _ = fmt.Fprintln(w, "ok") // nobody may be listening any more
}

// listen takes the address of the probes and returns what serves there; nil: the
// address 0 turns them off.
func (h *health) listen(ctx context.Context, address string) (func(context.Context) error, error) {
	if address == "0" {
		return nil, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-probe-bind-address: %w", err)
	}
	mux := http.NewServeMux()
	healthz.InstallLivezHandler(mux)
	mux.HandleFunc("/readyz", h.serve)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: healthTimeout}
	return func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })() // the process is ending
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the probes: %w", err)
		}
		return nil
	}, nil
}
