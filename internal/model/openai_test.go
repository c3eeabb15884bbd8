package model

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/valuesource"
)

const plantedKey = "sk-planted-secret-0123456789"

// call is a request as the server saw it.
type call struct {
	path   string
	header http.Header
	body   map[string]any
}

// server is a real HTTP server whose answers a test scripts.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

func (s *server) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call(nil), s.calls...)
}

// serve starts a server; answer gets the number of the request, from 1.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		c := call{path: r.Method + " " + r.URL.Path, header: r.Header.Clone()}
		if err := json.Unmarshal(raw, &c.body); err != nil {
			t.Errorf("request is not JSON: %v: %s", err, raw)
		}
		s.mu.Lock()
		s.calls = append(s.calls, c)
		n := len(s.calls)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func write(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

const hello = `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop",
"message":{"role":"assistant","content":"hello"}}],
"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}}`

func testModel(baseURL string, change ...func(*arkv1alpha1.Model)) *arkv1alpha1.Model {
	m := &arkv1alpha1.Model{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "default"},
		Spec: arkv1alpha1.ModelSpec{
			Provider: arkv1alpha1.ProviderOpenAI,
			Model:    arkv1alpha1.ValueSource{Value: "gpt-test"},
			Config: arkv1alpha1.ModelConfig{OpenAI: &arkv1alpha1.OpenAIModelConfig{
				BaseURL: arkv1alpha1.ValueSource{Value: baseURL},
				APIKey: arkv1alpha1.ValueSource{ValueFrom: &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: "credentials"}, Key: "token",
				}}},
			}},
		},
	}
	for _, f := range change {
		f(m)
	}
	return m
}

func reader(t *testing.T, more ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		// The newline is what a Secret made from a file ends with.
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "credentials"}, Data: map[string][]byte{"token": []byte(plantedKey + "\n")}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "settings"}, Data: map[string]string{"temperature": "0.25"}},
	).WithObjects(more...).Build()
}

func testClient(t *testing.T, policy egress.Policy) *Client {
	t.Helper()
	clients := egress.NewClients(t.Context(), policy)
	t.Cleanup(clients.CloseIdleConnections)
	return New(Options{Reader: reader(t), HTTP: clients.Model})
}

func open(t *testing.T, m *arkv1alpha1.Model, overrides http.Header) Provider {
	t.Helper()
	c := testClient(t, egress.Policy{AllowLoopback: true})
	p, err := c.Open(t.Context(), m, valuesource.New(c.reader, "ns"), overrides)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var hi = Request{Messages: []Message{{Role: RoleUser, Content: "hi"}}}

func TestRequestAndResponse(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, `{"choices":[{"finish_reason":"tool_calls","message":{"role":"assistant","content":null,
			"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}],
			"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}`)
	})
	m := testModel(s.URL+"/v1", func(m *arkv1alpha1.Model) {
		m.Spec.Config.OpenAI.Headers = []arkv1alpha1.Header{
			{Name: "X-Own", Value: arkv1alpha1.HeaderValue{Value: "own"}},
			{Name: "X-Both", Value: arkv1alpha1.HeaderValue{Value: "own"}},
		}
		m.Spec.Config.OpenAI.Properties = map[string]arkv1alpha1.ValueSource{
			"max_tokens": {Value: "1000"}, "stop": {Value: "7"}, "logprobs": {Value: "true"}, "flavour": {Value: "low"},
			"logit_bias": {Value: `{"5": -1}`},
			"temperature": {ValueFrom: &arkv1alpha1.ValueFromSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "temperature",
			}}},
		}
	})
	p := open(t, m, http.Header{"X-Both": {"override"}})
	got, err := p.Complete(t.Context(), Request{
		Messages: []Message{
			{Role: RoleSystem, Content: "be brief"},
			{Role: RoleUser, Content: "hi"},
			{Role: RoleAssistant, ToolCalls: []ToolCall{{ID: "c0", Type: "function", Function: FunctionCall{Name: "f", Arguments: "{}"}}}},
			{Role: RoleTool, ToolCallID: "c0", Content: "42"},
		},
		Tools:  []Tool{{Name: "f", Description: "does f", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}},
		Output: &OutputSchema{Name: "out", Schema: json.RawMessage(`{"type":"object"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Response{
		Message:      Message{Role: RoleAssistant, ToolCalls: []ToolCall{{ID: "c1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":1}`}}}},
		FinishReason: "tool_calls",
		Usage:        Usage{Prompt: 7, Completion: 3, Total: 10, Cached: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("response %+v, want %+v", got, want)
	}
	c := s.seen()[0]
	if c.path != "POST /v1/chat/completions" {
		t.Errorf("path %q", c.path)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + plantedKey, "X-Own": "own", "X-Both": "override"} {
		if c.header.Get(name) != value {
			t.Errorf("header %s = %q, want %q", name, c.header.Get(name), value)
		}
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(`{
		"model": "gpt-test", "max_tokens": 1000, "stop": "7", "logprobs": true, "flavour": "low", "temperature": 0.25, "logit_bias": {"5": -1},
		"messages": [
			{"role": "system", "content": "be brief"},
			{"role": "user", "content": "hi"},
			{"role": "assistant", "content": "", "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
			{"role": "tool", "content": "42", "tool_call_id": "c0"}],
		"tools": [{"type": "function", "function": {"name": "f", "description": "does f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}],
		"response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object"}}}}`), &body); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.body, body) {
		t.Errorf("body %v\nwant %v", c.body, body)
	}
}

// The environment of the process belongs to the operator: it must not end up in
// requests to endpoints that users name.
func TestEnvironmentIsNotSent(t *testing.T) {
	t.Setenv("OPENAI_ORG_ID", "operator-organization")
	t.Setenv("OPENAI_API_KEY", "operator-key")
	t.Setenv("OPENAI_CUSTOM_HEADERS", "X-Operator: yes")
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, hello) })
	p := open(t, testModel(s.URL, func(m *arkv1alpha1.Model) {
		m.Spec.Config.OpenAI.APIKey = arkv1alpha1.ValueSource{}
	}), nil)
	if _, err := p.Complete(context.Background(), hi); err != nil {
		t.Fatal(err)
	}
	for name, values := range s.seen()[0].header {
		if text := strings.Join(values, ","); strings.Contains(text, "operator") || name == "X-Operator" || name == "Authorization" {
			t.Errorf("header %s: %s", name, text)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			write(w, http.StatusOK, hello)
			return
		}
		write(w, http.StatusInternalServerError, `{"error":{"message":"out of order"}}`)
	})
	c := testClient(t, egress.Policy{AllowLoopback: true})
	m := testModel(s.URL)
	if _, err := c.Probe(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	_, err := c.Probe(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "HTTP 500 Internal Server Error: out of order") {
		t.Errorf("error %v", err)
	}
	if n := len(s.seen()); n != 2 {
		t.Errorf("%d requests, want 2: a probe is not repeated", n)
	}
}

func TestAddressOfProbe(t *testing.T) {
	t.Parallel()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "models"}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1",
	}}
	value := func(text string) arkv1alpha1.ValueSource { return arkv1alpha1.ValueSource{Value: text} }
	ref := func(from arkv1alpha1.ValueFromSource) arkv1alpha1.ValueSource {
		return arkv1alpha1.ValueSource{ValueFrom: &from}
	}
	secret := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "address"}, Key: "url"}
	tests := []struct {
		name string
		base arkv1alpha1.ValueSource
		want string
	}{
		{"plain", value("http://127.0.0.1:1/v1"), "http://127.0.0.1:1/v1"},
		{"user, query, fragment", value("http://user:pass-word@127.0.0.1:1/v1?key=k#f"), "http://127.0.0.1:1/v1"},
		{"Service", ref(arkv1alpha1.ValueFromSource{ServiceRef: &arkv1alpha1.ServiceReference{Name: "models", Port: "1", Path: "/v1"}}), "http://127.0.0.1:1/v1"},
		{"Secret", ref(arkv1alpha1.ValueFromSource{SecretKeyRef: secret}), ""},
		{"no URL", value("models"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testClient(t, egress.Policy{AllowLoopback: true})
			c.reader = reader(t, service, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "address"}, Data: map[string][]byte{"url": []byte("http://127.0.0.1:1/v1")}})
			got, err := c.Probe(t.Context(), testModel("", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.BaseURL = tt.base }))
			if got != tt.want || err == nil {
				t.Errorf("address %q, want %q; error %v", got, tt.want, err)
			}
		})
	}
}
