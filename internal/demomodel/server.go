// Package demomodel is a small server that speaks OpenAI's chat completions API
// and answers from a script. It lets a first run, tests and benchmarks work
// without an account anywhere, and says in every answer that it is no model.
package demomodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"k8s.io/klog/v2"
)

// ModelID is the provider's name of the one model that the server offers.
const ModelID = "ark-demo"

const (
	maxRequest      = 16 << 20
	shutdownTimeout = 5 * time.Second
)

// Options of a Server.
type Options struct {
	// Delay before each completion, as a real model would take time.
	Delay time.Duration
	// AnyAddress lets it listen on others than loopback addresses, where anybody
	// may ask: for a test, for as long as that takes.
	AnyAddress bool
}

// Server is a running demo model.
type Server struct {
	url  string
	http *http.Server
	done chan struct{}
	err  error
}

// Start listens on addr, whose host must be a loopback address (but for AnyAddress)
// and whose port may be 0, and serves until ctx ends. It returns the server and its root URL,
// such as http://127.0.0.1:4100; the base URL of the model is that plus /v1.
func Start(ctx context.Context, addr string, o Options) (*Server, string, error) {
	if !o.AnyAddress {
		address, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, "", fmt.Errorf("demo model address %q: %w", addr, err)
		}
		if !address.Addr().IsLoopback() {
			return nil, "", fmt.Errorf("demo model address %q: it serves anybody who asks, so only on a loopback address", addr)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("listen for the demo model: %w", err)
	}
	s := &Server{
		url:  "http://" + listener.Addr().String(),
		http: &http.Server{Handler: Handler(o), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }},
		done: make(chan struct{}),
	}
	go s.serve(ctx, listener)
	return s, s.url, nil
}

func (s *Server) serve(ctx context.Context, listener net.Listener) {
	defer close(s.done)
	stop := context.AfterFunc(ctx, func() { s.shutDown(ctx) })
	defer stop()
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.err = fmt.Errorf("serve the demo model: %w", err)
		klog.FromContext(ctx).Error(err, "The demo model stopped")
	}
}

// shutDown lets running requests end, within limits.
func (s *Server) shutDown(ctx context.Context) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(limited); err != nil {
		klog.FromContext(ctx).Error(err, "The demo model cut off its last requests")
		_ = s.http.Close() // Its error is of the listener, which Shutdown has closed.
	}
}

// URL is the root URL.
func (s *Server) URL() string { return s.url }

// BaseURL is what a Model's baseUrl is set to.
func (s *Server) BaseURL() string { return s.url + "/v1" }

// Close stops the server and returns the error that had stopped it before, if any.
func (s *Server) Close() error {
	s.shutDown(context.Background())
	<-s.done
	return s.err
}

// Handler answers the requests of a demo model: POST /v1/chat/completions, GET
// /v1/models, and GET /demo/weather for the sample tool.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) { complete(w, r, o.Delay) })
	mux.HandleFunc("GET /v1/models", listModels)
	mux.HandleFunc("GET /demo/weather", weather)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("the demo model has no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func listModels(w http.ResponseWriter, r *http.Request) {
	send(w, r, http.StatusOK, map[string]any{
		"object": "list",
		"data":   []any{map[string]any{"id": ModelID, "object": "model", "owned_by": "ark"}},
	})
}

func send(w http.ResponseWriter, r *http.Request, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		klog.FromContext(r.Context()).V(2).Info("The demo model could not send its answer", "err", err)
	}
}

// fail sends an error in the form that OpenAI's clients understand.
func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	send(w, r, status, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error"}})
}
