package model

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/valuesource"
)

// failing answers every request in the same way, and asks for quick retries.
func failing(status int, body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After-Ms", "1")
		write(w, status, body)
	}
}

func hang(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// breakOff answers half a response.
func breakOff(_ int, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.Header().Set("Retry-After-Ms", "1")
	_, _ = w.Write([]byte(`{"choices":`))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		answer   func(int, http.ResponseWriter, *http.Request)
		requests int
		status   int
		want     []string
	}{
		{"wrong key", failing(401, `{"error":{"message":"Incorrect API key provided: `+plantedKey+`"}}`), 1, 401,
			[]string{"HTTP 401 Unauthorized", "the API key is not accepted", "Incorrect API key provided: [redacted]"}},
		{"wrong name", failing(404, `{"error":{"message":"no such model"}}`), 1, 404, []string{"HTTP 404 Not Found", "no such model"}},
		{"bad request, plain text", failing(400, "temperature\nis too high"), 1, 400, []string{"HTTP 400 Bad Request: temperature is too high"}},
		{"error as a text", failing(400, `{"error":"too long"}`), 1, 400, []string{"HTTP 400 Bad Request: too long"}},
		{"limit", failing(429, `{"error":{"message":"slow down"}}`), 3, 429, []string{"HTTP 429 Too Many Requests", "slow down"}},
		{"server error", failing(500, `{"error":{"message":"boom"}}`), 3, 500, []string{"HTTP 500 Internal Server Error: boom"}},
		{"gateway's page", failing(502, "<html>"+strings.Repeat("x", 10_000)), 3, 502, []string{"HTTP 502 Bad Gateway: <html>xxx", "…"}},
		{"empty error", failing(503, ""), 3, 503, []string{"HTTP 503 Service Unavailable: the answer is empty"}},
		{"garbage", failing(200, "<html>welcome</html>"), 1, 200, []string{"HTTP 200 OK: the answer is not a chat completion: <html>welcome</html>"}},
		{"truncated JSON", failing(200, `{"choices":[`), 1, 200, []string{"not a chat completion"}},
		{"other JSON", failing(200, `{"hello":"world"}`), 1, 200, []string{"not a chat completion", "world"}},
		{"JSON of another shape", failing(200, `[1,2]`), 1, 200, []string{"not a chat completion"}},
		{"empty answer", failing(200, ""), 1, 200, []string{"the answer is empty"}},
		{"too large", failing(200, strings.Repeat(" ", maxAnswer+1)), 3, 0, []string{"larger than 16 MiB"}},
		{"connection dropped in the middle", breakOff, 3, 0, []string{"no answer", "unexpected EOF"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.answer)
			ctx := quick(t)
			_, err := open(t, testModel(s.URL), nil).Complete(ctx, hi)
			checkError(t, err, tt.status, append(tt.want, `model "default" (gpt-test)`))
			if n := len(s.seen()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// quick bounds a test, far above what it needs.
func quick(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func checkError(t *testing.T, err error, status int, want []string) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("error %v, want an *Error", err)
	}
	if failure.Status != status {
		t.Errorf("status %d, want %d", failure.Status, status)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", failure), fmt.Sprint(failure.Err)} {
		if strings.Contains(text, plantedKey) {
			t.Errorf("the API key stands in %q", text)
		}
	}
	if len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	for _, first := range []func(int, http.ResponseWriter, *http.Request){failing(429, ""), failing(500, ""), breakOff} {
		s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				first(n, w, r)
				return
			}
			write(w, http.StatusOK, hello)
		})
		got, err := open(t, testModel(s.URL), nil).Complete(quick(t), hi)
		if err != nil || got.Message.Content != "hello" {
			t.Errorf("response %+v, error %v", got, err)
		}
	}
}

// Retry-After is obeyed, unless the deadline comes first: then the cause is told
// at once, and not as a time-out later.
func TestRetryAfterBeyondDeadline(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "100")
		write(w, http.StatusTooManyRequests, `{"error":{"message":"slow down"}}`)
	})
	ctx := quick(t)
	_, err := open(t, testModel(s.URL), nil).Complete(ctx, hi)
	checkError(t, err, 429, []string{"slow down", "asks to wait 1m40s"})
	if ctx.Err() != nil || len(s.seen()) != 1 {
		t.Errorf("context %v, %d requests", ctx.Err(), len(s.seen()))
	}
}

func TestEndedByContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("the user said stop")
	s := serve(t, hang)
	p := open(t, testModel(s.URL), nil)

	timeout, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
	defer cancel()
	_, err := p.Complete(timeout, hi)
	checkError(t, err, 0, []string{"no answer in time"})
	if !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v does not wrap its causes", err)
	}

	canceled, cancelNow := context.WithCancelCause(t.Context())
	arrived := make(chan struct{})
	s2 := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { close(arrived); hang(n, w, r) })
	go func() { <-arrived; cancelNow(cause) }()
	_, err = open(t, testModel(s2.URL), nil).Complete(canceled, hi)
	checkError(t, err, 0, []string{"no answer before the call was ended"})
	if !errors.Is(err, cause) {
		t.Errorf("error %v does not wrap its cause", err)
	}
}

// A call that is ended while the provider keeps failing says what the failures were.
func TestEarlierFailureIsTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(quick(t))
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 1 {
			cancel()
			hang(n, w, r)
			return
		}
		failing(500, `{"error":{"message":"boom"}}`)(n, w, r)
	})
	_, err := open(t, testModel(s.URL), nil).Complete(ctx, hi)
	checkError(t, err, 0, []string{"no answer before the call was ended; before: HTTP 500: boom"})
}

// Two resets of connections from two ports are told in the same words.
func TestLocalAddressIsNotTold(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		_ = connection.(*net.TCPConn).SetLinger(0) // Closed with a reset.
		_ = connection.Close()
	})
	c := testClient(t, egress.Policy{AllowLoopback: true})
	_, first := c.Probe(quick(t), testModel(s.URL))
	_, second := c.Probe(quick(t), testModel(s.URL))
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("%v\n%v", first, second)
	}
	if first != nil && !strings.Contains(first.Error(), "connection reset by peer") {
		t.Errorf("error %v", first)
	}
	for text, want := range map[string]string{
		"read tcp 10.0.0.5:41234->10.1.2.3:443: read: reset":        "read tcp 10.1.2.3:443: read: reset",
		"read tcp [fe80::1%eth0]:41234->[2001:db8::1]:443: timeout": "read tcp [2001:db8::1]:443: timeout",
		"dial tcp 10.1.2.3:443: refused":                            "dial tcp 10.1.2.3:443: refused",
	} {
		if got := localAddress.ReplaceAllString(text, ""); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t, hang)
	s.Close()
	none := 0
	c := testClient(t, egress.Policy{AllowLoopback: true})
	c.maxRetries = none
	_, err := mustOpen(t, c, testModel(s.URL)).Complete(quick(t), hi)
	checkError(t, err, 0, []string{"no answer", "connection refused"})
}

func TestRefusedByPolicy(t *testing.T) {
	t.Parallel()
	s := serve(t, hang)
	_, err := mustOpen(t, testClient(t, egress.Policy{}), testModel(s.URL)).Complete(quick(t), hi)
	checkError(t, err, 0, []string{"refused by the egress policy", "loopback"})
	if !errors.Is(err, egress.ErrRefused) {
		t.Errorf("error %v does not wrap ErrRefused", err)
	}
}

// refusing is a transport that the policy lets nothing through.
type refusing struct{ attempts *int }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) {
	*r.attempts++
	return nil, fmt.Errorf("dial: %w", egress.ErrRefused)
}

// What is refused once is refused for ever.
func TestRefusalIsNotRepeated(t *testing.T) {
	t.Parallel()
	attempts := 0
	c := New(Options{Reader: reader(t), HTTP: &http.Client{Transport: refusing{&attempts}}})
	_, err := mustOpen(t, c, testModel("https://api.example.com/v1")).Complete(quick(t), hi)
	checkError(t, err, 0, []string{"refused by the egress policy"})
	if attempts != 1 {
		t.Errorf("%d attempts", attempts)
	}
}

func mustOpen(t *testing.T, c *Client, m *arkv1alpha1.Model) Provider {
	t.Helper()
	p, err := c.Open(t.Context(), m, valuesource.New(c.reader, "ns"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	secret := func(name, key string) arkv1alpha1.ValueSource {
		return arkv1alpha1.ValueSource{ValueFrom: &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key,
		}}}
	}
	tests := []struct {
		name   string
		change func(*arkv1alpha1.Model)
		want   string
	}{
		{"azure", func(m *arkv1alpha1.Model) { m.Spec.Provider = arkv1alpha1.ProviderAzure }, `provider "azure" is not supported`},
		{"bedrock", func(m *arkv1alpha1.Model) { m.Spec.Provider = arkv1alpha1.ProviderBedrock }, `provider "bedrock" is not supported`},
		{"anthropic", func(m *arkv1alpha1.Model) { m.Spec.Provider = arkv1alpha1.ProviderAnthropic }, `provider "anthropic" is not supported`},
		{"no provider", func(m *arkv1alpha1.Model) { m.Spec.Provider = "" }, "no provider is set"},
		{"no config", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI = nil }, "needs config.openai"},
		{"no Secret", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.APIKey = secret("absent", "token") }, `apiKey: the Secret "absent" does not exist in namespace "ns"`},
		{"no key", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.APIKey = secret("credentials", "absent") }, `has no key "absent"`},
		{"no URL", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.BaseURL.Value = "api.example.com" }, "is not an http or https URL"},
		{"file URL", func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.BaseURL.Value = "file:///etc/passwd" }, "is not an http or https URL"},
		{"reserved property", func(m *arkv1alpha1.Model) {
			m.Spec.Config.OpenAI.Properties = map[string]arkv1alpha1.ValueSource{"messages": {Value: "[]"}}
		}, `property "messages" is set by Ark itself`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testClient(t, egress.Policy{})
			_, err := c.Open(t.Context(), testModel("https://api.example.com/v1", tt.change), valuesource.New(c.reader, "ns"), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `model "default"`) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// What a Secret holds stands in no error, whatever field it was meant for.
func TestSecretsStandInNoError(t *testing.T) {
	t.Parallel()
	s := serve(t, failing(500, "out of order"))
	address := strings.TrimPrefix(s.URL, "http://")
	const password = "secret-in-the-url"
	fromSecret := arkv1alpha1.ValueSource{ValueFrom: &arkv1alpha1.ValueFromSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "planted"}, Key: "text",
	}}}
	base := func(m *arkv1alpha1.Model) { m.Spec.Config.OpenAI.BaseURL = fromSecret }
	tests := []struct {
		name, secret string
		change       func(*arkv1alpha1.Model)
		hidden       []string
		want         string
	}{
		{"base URL without scheme", password, base, []string{password}, "baseUrl: the text in the Secret is not an http or https URL"},
		{"base URL that cannot be parsed", "http://host:" + password, base, []string{password}, "baseUrl: the text in the Secret is not"},
		{"base URL of a dead host", "https://user:" + password + "@secret-host.invalid/secret-path", base,
			[]string{password, "secret-host", "secret-path"}, "no answer"},
		{"base URL of a refused host", "https://169.254.169.254/secret-path", base, []string{"secret-path", "//169"}, "refused by the egress policy"},
		{"base URL with a password", "-", func(m *arkv1alpha1.Model) {
			m.Spec.Config.OpenAI.BaseURL.Value = "http://user:" + password + "@" + address + "/" + password
		}, []string{password}, "HTTP 500"},
		{"model id", "secret-model-id", func(m *arkv1alpha1.Model) { m.Spec.Model = fromSecret }, []string{"secret-model-id"}, "HTTP 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testClient(t, egress.Policy{AllowLoopback: true})
			planted := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "planted"}, Data: map[string][]byte{"text": []byte(tt.secret + "\n")}}
			c.reader = reader(t, planted)
			shown, err := c.Probe(quick(t), testModel(s.URL, tt.change))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			for _, hidden := range tt.hidden {
				if strings.Contains(err.Error(), hidden) || strings.Contains(shown, hidden) {
					t.Errorf("%q stands in %q or %q", hidden, err, shown)
				}
			}
		})
	}
}

// A probe reads with the rights of the controller, which a Model must not use to
// look around in other namespaces.
func TestProbeStaysInItsNamespace(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, hello) })
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "models"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: u.Hostname()},
	}
	m := testModel("", func(m *arkv1alpha1.Model) {
		m.Spec.Config.OpenAI.BaseURL.ValueFrom = &arkv1alpha1.ValueFromSource{
			ServiceRef: &arkv1alpha1.ServiceReference{Name: "models", Namespace: "other", Port: u.Port()},
		}
	})
	c := testClient(t, egress.Policy{AllowLoopback: true})
	c.reader = reader(t, service)
	if _, err := c.Probe(quick(t), m); err == nil || !strings.Contains(err.Error(), `namespace "other" is followed only`) {
		t.Errorf("error %v", err)
	}
	c.across = true
	if _, err := c.Probe(quick(t), m); err != nil {
		t.Error(err)
	}
}
