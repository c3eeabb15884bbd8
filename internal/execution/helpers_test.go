package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const namespace = "ns"

// plantedSecret must turn up nowhere.
const plantedSecret = "planted-secret-0123456789"

// chat is a request of a chat completion, as the model server saw it.
type chat struct {
	header         http.Header
	Model          string          `json:"model"`
	Messages       []model.Message `json:"messages"`
	Tools          []toolSeen      `json:"tools"`
	ResponseFormat map[string]any  `json:"response_format"`
}

type toolSeen struct {
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  map[string]any `json:"parameters"`
	} `json:"function"`
}

// modelServer is a real HTTP server that answers as a test says.
type modelServer struct {
	*httptest.Server
	mu    sync.Mutex
	chats []chat
}

func (s *modelServer) seen() []chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]chat(nil), s.chats...)
}

// reply is what the model server answers: either status and body, or a message.
type reply struct {
	status int
	body   string
}

func says(content string) reply {
	return message(model.Message{Role: model.RoleAssistant, Content: content})
}

// calls makes a reply that calls tools: name and arguments in turn.
func calls(nameAndArguments ...string) reply {
	m := model.Message{Role: model.RoleAssistant}
	for i := 0; i < len(nameAndArguments); i += 2 {
		m.ToolCalls = append(m.ToolCalls, model.ToolCall{
			ID: fmt.Sprintf("call-%d", i/2), Type: "function",
			Function: model.FunctionCall{Name: nameAndArguments[i], Arguments: nameAndArguments[i+1]},
		})
	}
	return message(m)
}

func message(m model.Message) reply {
	body, err := json.Marshal(map[string]any{
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": m}},
		"usage":   map[string]any{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": map[string]any{"cached_tokens": 4}},
	})
	if err != nil {
		panic(err)
	}
	return reply{http.StatusOK, string(body)}
}

// serveModel answers the n-th request, from 1, with what answer returns.
func serveModel(t *testing.T, answer func(n int, c chat, r *http.Request) reply) *modelServer {
	t.Helper()
	s := &modelServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return // The client hung up.
		}
		c := chat{header: r.Header.Clone()}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Errorf("request %s: %v", raw, err)
		}
		s.mu.Lock()
		s.chats = append(s.chats, c)
		n := len(s.chats)
		s.mu.Unlock()
		a := answer(n, c, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s
}

// script answers with one reply after the other, and with the last for ever.
func script(t *testing.T, replies ...reply) *modelServer {
	t.Helper()
	return serveModel(t, func(n int, _ chat, _ *http.Request) reply { return replies[min(n, len(replies))-1] })
}

func object(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func newModel(name, baseURL string) *arkv1alpha1.Model {
	return &arkv1alpha1.Model{ObjectMeta: object(name), Spec: arkv1alpha1.ModelSpec{
		Provider: arkv1alpha1.ProviderOpenAI, Model: arkv1alpha1.ValueSource{Value: "gpt-test"},
		Config: arkv1alpha1.ModelConfig{OpenAI: &arkv1alpha1.OpenAIModelConfig{
			BaseURL: arkv1alpha1.ValueSource{Value: baseURL},
			APIKey:  arkv1alpha1.ValueSource{ValueFrom: secretRef()},
		}},
	}}
}

// secretRef refers to the planted secret.
func secretRef() *arkv1alpha1.ValueFromSource {
	return &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "planted"}, Key: "key"}}
}

func newQuery(targetType arkv1alpha1.TargetType, name, input string) *arkv1alpha1.Query {
	encoded, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	q := &arkv1alpha1.Query{ObjectMeta: object("q"), Spec: arkv1alpha1.QuerySpec{Input: apiextensionsv1.JSON{Raw: encoded}}}
	q.Generation = 1
	if targetType != "" {
		q.Spec.Target = &arkv1alpha1.QueryTarget{Type: targetType, Name: name}
	}
	return q
}

func reader(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, arkv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Secret{ObjectMeta: object("planted"), Data: map[string][]byte{"key": []byte(plantedSecret)}})
	for _, o := range objects {
		builder.WithObjects(o.DeepCopyObject().(client.Object)) // The fake writes to its objects, which tests share.
	}
	return builder.Build()
}

// newRunner returns a Runner that may reach the test's servers and does not retry.
func newRunner(t *testing.T, events Events, objects ...client.Object) *Runner {
	t.Helper()
	clients := egress.NewClients(t.Context(), egress.Policy{AllowLoopback: true})
	t.Cleanup(clients.CloseIdleConnections)
	none := 0
	return New(Options{Reader: reader(t, objects...), HTTP: clients, MaxModelRetries: &none, Events: events})
}

// recorder keeps turns, and checks what a table of turns would.
type recorder struct {
	t     *testing.T
	turns []Turn
	fail  error
}

func (r *recorder) Turn(_ context.Context, turn Turn) error {
	r.turns = append(r.turns, turn)
	if turn.Seq != len(r.turns) {
		r.t.Errorf("turn %d has seq %d", len(r.turns), turn.Seq)
	}
	for _, document := range [][]byte{turn.Request, turn.Response} {
		var object map[string]any
		if err := json.Unmarshal(document, &object); err != nil {
			r.t.Errorf("turn %d: %s: %v", turn.Seq, document, err)
		}
	}
	if turn.Started.IsZero() || turn.Ended.Before(turn.Started) {
		r.t.Errorf("turn %d lasts from %s to %s", turn.Seq, turn.Started, turn.Ended)
	}
	return r.fail
}

// eventLog keeps events as "type reason message".
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *eventLog) Event(_ runtime.Object, eventType, reason, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, eventType+" "+reason+" "+message)
}

func (l *eventLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// done fails the test unless the Query ended well with this content.
func done(t *testing.T, o Outcome, content string) {
	t.Helper()
	if o.Phase != arkv1alpha1.QueryDone || o.Reason != arkv1alpha1.ReasonQuerySucceeded || o.Response == nil {
		t.Fatalf("outcome %+v, want done", o)
	}
	if o.Response.Content != content {
		t.Errorf("content %q, want %q", o.Response.Content, content)
	}
}

// errored fails the test unless the Query ended in an error that says all of want.
func errored(t *testing.T, o Outcome, want ...string) {
	t.Helper()
	if o.Phase != arkv1alpha1.QueryError || o.Reason != arkv1alpha1.ReasonQueryErrored || o.Response == nil || o.Interrupted != nil {
		t.Fatalf("outcome %+v, want an error", o)
	}
	for _, part := range want {
		if !strings.Contains(o.Message, part) {
			t.Errorf("message %q does not say %q", o.Message, part)
		}
	}
	if o.Response.Content != o.Message || o.Response.Phase != "error" || !strings.Contains(o.Response.Raw, `"error":"target_execution_error"`) {
		t.Errorf("response %+v", o.Response)
	}
}
