// Package server is Ark's API server: the generic API server of Kubernetes over
// storage in PostgreSQL. It serves the kinds of ark.mckinsey.com and, where there
// is no cluster, the few kinds of the core group that manifests need.
package server

import (
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server/storage"
)

// Defaults of Options.
const (
	// DefaultMaxRequestsInFlight and DefaultMaxMutatingRequestsInFlight bound the
	// requests that are served at once; more are answered with 429.
	DefaultMaxRequestsInFlight         = 400
	DefaultMaxMutatingRequestsInFlight = 200
	// DefaultWatchGracePeriod is how long a server that stops takes at most to end
	// the watches that are open.
	DefaultWatchGracePeriod = 3 * time.Second
)

// Options of a server.
type Options struct {
	// Store is where objects are. It outlives the server.
	Store *store.Store
	// Modes of resources that are not served as storage.DefaultMode says.
	Modes map[schema.GroupResource]storage.Mode
	// Transformers of resources that are encrypted at rest.
	Transformers map[schema.GroupResource]value.Transformer

	// BindAddress to listen on; nil: 127.0.0.1.
	BindAddress net.IP
	// Port to listen on; 0: any that is free.
	Port int
	// CertDir is the folder of the certificates that the server makes for itself.
	CertDir string
	// Kubeconfig is the file that an administrator's kubeconfig is written to;
	// empty: it is not written.
	Kubeconfig string

	// Ready are checks beside those of the server's own: until all of them succeed,
	// it is not ready.
	Ready []healthz.HealthChecker
	// SkipReferenceChecks accepts Queries whose target does not exist, references to
	// Secrets and ConfigMaps that do not, and Models at any address.
	SkipReferenceChecks bool
	// Egress says at which addresses Models may be: what the workers may dial.
	Egress egress.Policy
	// MaxRequestsInFlight and MaxMutatingRequestsInFlight; 0: the defaults.
	MaxRequestsInFlight, MaxMutatingRequestsInFlight int
	// WatchGracePeriod; 0: DefaultWatchGracePeriod.
	WatchGracePeriod time.Duration
	// Clock for certificates, conditions and ages; nil: the real one.
	Clock clock.WithTicker
}

func (o Options) withDefaults() (Options, error) {
	if o.Store == nil {
		return o, errors.New("the API server needs a store")
	}
	if o.Port < 0 || o.Port > 65535 {
		return o, fmt.Errorf("port %d is not one", o.Port)
	}
	if o.BindAddress == nil {
		o.BindAddress = net.IPv4(127, 0, 0, 1)
	}
	if o.MaxRequestsInFlight == 0 {
		o.MaxRequestsInFlight = DefaultMaxRequestsInFlight
	}
	if o.MaxMutatingRequestsInFlight == 0 {
		o.MaxMutatingRequestsInFlight = DefaultMaxMutatingRequestsInFlight
	}
	if o.WatchGracePeriod == 0 {
		o.WatchGracePeriod = DefaultWatchGracePeriod
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o, nil
}
