package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server/storage"
	"mckinsey.com/ark/server/strategy"
)

// pingTimeout bounds the readiness check's question to the database.
const pingTimeout = 3 * time.Second

// newConfig is what every way to run the server has in common: storage, OpenAPI,
// health, limits. Who is trusted, and what is admitted, is added by the way it is
// run: stand-alone, or behind another API server.
func newConfig(o Options) (*genericapiserver.Config, error) {
	config := genericapiserver.NewConfig(codecs)
	config.EffectiveVersion = effectiveVersion()
	getter, err := storage.NewRESTOptionsGetter(storage.Options{
		Store: o.Store, Codec: storageCodec, Modes: o.Modes, Transformers: o.Transformers,
		Hooks: map[schema.GroupResource]storage.WriteHook{
			v1alpha1.Resource("queries"): strategy.QueryWritten,
		},
		ObjectCounts: config.StorageObjectCountTracker,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare storage: %w", err)
	}
	config.RESTOptionsGetter = getter
	config.MaxRequestsInFlight = o.MaxRequestsInFlight
	config.MaxMutatingRequestsInFlight = o.MaxMutatingRequestsInFlight
	// A server that stops answers 429 to new requests until those in flight are
	// done, and ends watches by itself, so that clients go on elsewhere.
	config.ShutdownSendRetryAfter = true
	config.ShutdownWatchTerminationGracePeriod = o.WatchGracePeriod
	config.AddReadyzChecks(append([]healthz.HealthChecker{postgresqlCheck(o.Store)}, o.Ready...)...)
	applyOpenAPI(config)
	return config, nil
}

// postgresqlCheck says whether the database answers. It is a matter of readiness
// alone: starting the server again would not bring a database back.
func postgresqlCheck(s *store.Store) healthz.HealthChecker {
	return healthz.NamedCheck("postgresql", func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		return s.Ping(ctx)
	})
}
