// Package webhooks serves what the strategies of the API server do as admission
// webhooks, for objects of Ark that the cluster's own API server stores: the kinds
// are CustomResourceDefinitions then, whose schema the cluster checks, and the rules
// beyond it are the same Go code.
package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"mckinsey.com/ark/internal/egress"
)

// Paths of the webhooks, as the webhook configurations name them.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
)

// Options of the webhooks.
type Options struct {
	// Reader finds the targets of Queries and the ArkConfig; it may be a cache.
	Reader client.Reader
	// Live is asked where Reader, a cache, may not know yet of an object that was
	// created a moment ago; nil: Reader is no cache.
	Live client.Reader
	// Host and Port to serve on; no host: all addresses, no port: 9443.
	Host string
	Port int
	// CertDir holds tls.crt and tls.key, which are read again when they change.
	CertDir string
	// SkipReferenceChecks accepts Queries whose target does not exist, references to
	// Secrets and ConfigMaps that do not, and Models at any address.
	SkipReferenceChecks bool
	// Egress says at which addresses Models may be: what the executor may dial.
	Egress egress.Policy
}

// Module serves the webhooks.
type Module struct {
	server  webhook.Server
	started func(*http.Request) error
}

// New makes the module; Run starts it.
func New(o Options) (*Module, error) {
	if o.Reader == nil || o.CertDir == "" {
		return nil, errors.New("make the webhooks: they need a Reader and a folder of certificates")
	}
	rules, err := newReviewer(o)
	if err != nil {
		return nil, fmt.Errorf("make the webhooks: %w", err)
	}
	server := webhook.NewServer(webhook.Options{Host: o.Host, Port: o.Port, CertDir: o.CertDir})
	server.Register(MutatePath, &admission.Webhook{Handler: admission.HandlerFunc(rules.mutate)})
	server.Register(ValidatePath, &admission.Webhook{Handler: admission.HandlerFunc(rules.validate)})
	return &Module{server: server, started: server.StartedChecker()}, nil
}

// Run serves until ctx ends, then answers what it was asked. Without certificates
// it fails at once.
func (m *Module) Run(ctx context.Context) error {
	if err := m.server.Start(ctx); err != nil {
		return fmt.Errorf("serve the webhooks: %w", err)
	}
	return nil
}

// Ready tells why the webhooks cannot be called; nil: they can. It is a check of
// readiness, which ignores the request.
func (m *Module) Ready(req *http.Request) error { return m.started(req) }

// Handler serves the webhooks without TLS.
func (m *Module) Handler() http.Handler { return m.server.WebhookMux() }
