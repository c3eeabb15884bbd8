// Package openai is the OpenAI-compatible endpoint that end-to-end tests ask: it
// answers every question with "answer to <question>", and can be told to wait or
// to fail.
package openai

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Server is an OpenAI-compatible endpoint of the tests' own: it answers
// every question with "answer to <question>", and can be told to wait or fail.
type Server struct {
	*httptest.Server

	mu     sync.Mutex
	gate   chan struct{}  // open: answers at once
	calls  map[string]int // by question
	handle http.HandlerFunc
}

// Start serves until the test has ended, on this machine alone.
func Start(t *testing.T) *Server {
	t.Helper()
	return StartAt(t, "127.0.0.1:0")
}

// StartAt is Start at an address.
func StartAt(t *testing.T, address string) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	m := &Server{calls: map[string]int{}, gate: make(chan struct{})}
	close(m.gate)
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(m.serve))
	_ = m.Listener.Close() // its own
	m.Listener = listener
	m.Server.Start()
	t.Cleanup(m.Close)
	return m
}

// Hold makes every answer wait until the returned function is called.
func (m *Server) Hold() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.gate = gate
	var once sync.Once
	return func() { once.Do(func() { close(gate) }) }
}

// Fail answers with a handler of the test's own from now on; nil: no more.
func (m *Server) Fail(h http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handle = h
}

// Asked says how many different questions that begin so have reached the model,
// which the probe of the Model does too, with another one.
func (m *Server) Asked(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for question := range m.calls {
		if strings.HasPrefix(question, prefix) {
			n++
		}
	}
	return n
}

func (m *Server) serve(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || len(request.Messages) == 0 {
		http.Error(w, fmt.Sprintf("bad request: %v", err), http.StatusBadRequest)
		return
	}
	question := text(request.Messages[len(request.Messages)-1].Content)
	m.mu.Lock()
	m.calls[question]++
	gate, handle := m.gate, m.handle
	m.mu.Unlock()
	if handle != nil {
		handle(w, r)
		return
	}
	select {
	case <-gate:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": "stop",
			"message": map[string]any{"role": "assistant", "content": "answer to " + question},
		}},
		"usage": map[string]any{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
	})
}

// text takes a message's content as a string or as a list of text parts.
func text(content json.RawMessage) string {
	var s string
	if json.Unmarshal(content, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(content, &parts)
	var all []string
	for _, p := range parts {
		all = append(all, p.Text)
	}
	return strings.Join(all, "")
}

// Manifests are a Secret, a Model named default that calls the endpoint,
// and an Agent named echo that uses it.
func (m *Server) Manifests() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: model-token}
stringData: {token: planted-secret-value}
---
apiVersion: ark.mckinsey.com/v1alpha1
kind: Model
metadata: {name: default}
spec:
  provider: openai
  model: {value: scripted}
  config:
    openai:
      baseUrl: {value: "%s/v1"}
      apiKey: {valueFrom: {secretKeyRef: {name: model-token, key: token}}}
---
apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: echo}
spec:
  prompt: You answer.
`, m.URL)
}

// QueryManifest asks the agent echo.
func QueryManifest(name, question string) string {
	return fmt.Sprintf(`apiVersion: ark.mckinsey.com/v1alpha1
kind: Query
metadata: {name: %s}
spec:
  input: %q
  target: {type: agent, name: echo}
`, name, question)
}
