// Package model calls language models. What a provider's SDK says and wants
// stays inside: outside are Messages, Tools and Errors.
package model

import (
	"context"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/valuesource"
)

// DefaultMaxRetries is how often a call is repeated when the network, a 408,
// 409, 429 or 5xx came in between.
const DefaultMaxRetries = 2

// Provider completes conversations with one configured model. It is safe for
// concurrent use.
type Provider interface {
	// Complete returns the model's next message. It ends with its context; its
	// errors are of type *Error.
	Complete(ctx context.Context, req Request) (*Response, error)
}

// Options of a Client.
type Options struct {
	// Reader finds the Secrets and ConfigMaps that Models refer to.
	Reader client.Reader
	// HTTP makes the requests; its transport enforces the egress policy. Needed.
	HTTP *http.Client
	// MaxRetries of a call; nil means DefaultMaxRetries. The wait between two is
	// what the provider asks for (Retry-After), else grows from half a second.
	MaxRetries *int
	// AllowCrossNamespace lets Probe follow references of Models to Services of
	// other namespaces, with the rights of Reader.
	AllowCrossNamespace bool
}

// Client opens Models. It is safe for concurrent use.
type Client struct {
	reader     client.Reader
	http       *http.Client
	maxRetries int
	across     bool
}

// New returns a Client.
func New(o Options) *Client {
	c := &Client{reader: o.Reader, http: o.HTTP, maxRetries: DefaultMaxRetries, across: o.AllowCrossNamespace}
	if o.MaxRetries != nil {
		c.maxRetries = *o.MaxRetries
	}
	return c
}

// Open resolves what a Model refers to and returns the Provider that calls it.
// References are those of the Model's namespace. overrides are added to every
// call, replacing the Model's headers of the same name. Errors hold no secret.
func (c *Client) Open(ctx context.Context, m *arkv1alpha1.Model, values *valuesource.Resolver, overrides http.Header) (Provider, error) {
	provider, err := c.open(ctx, m, values.In(m.Namespace), overrides)
	if err != nil {
		return nil, redact(err, values.Secrets())
	}
	return provider, nil
}

func (c *Client) open(ctx context.Context, m *arkv1alpha1.Model, values *valuesource.Resolver, overrides http.Header) (Provider, error) {
	switch m.Spec.Provider {
	case arkv1alpha1.ProviderOpenAI:
		return c.openOpenAI(ctx, m, values, overrides)
	case "":
		return nil, fmt.Errorf("model %q: no provider is set", m.Name)
	default:
		return nil, fmt.Errorf("model %q: provider %q is not supported in this release: only openai is", m.Name, m.Spec.Provider)
	}
}

// probe is the shortest conversation there is.
var probe = Request{Messages: []Message{{Role: RoleUser, Content: "Hi"}}}

// Probe tells whether a Model can be used as it is configured: nil, or the error
// that a Query would end with, without secrets. It asks for a completion, because what lists
// models may work where the model does not: another key, no quota, a wrong name.
// The answer's length is left to the model: some refuse a limit on tokens, or
// spend it on thinking. A probe is not repeated: the next one comes anyway.
//
// It also returns the address that it asks, as it may be shown; empty if it is
// secret, or not known.
func (c *Client) Probe(ctx context.Context, m *arkv1alpha1.Model) (string, error) {
	once := *c
	once.maxRetries = 0
	values := valuesource.New(c.reader, m.Namespace)
	if c.across {
		values = values.AcrossNamespaces()
	}
	shown := address(ctx, values, m)
	provider, err := once.Open(ctx, m, values, nil)
	if err != nil {
		return shown, err
	}
	if _, err = provider.Complete(ctx, probe); err != nil {
		return shown, redact(err, values.Secrets())
	}
	return shown, nil
}
