package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"mckinsey.com/ark/controllers"
	"mckinsey.com/ark/internal/due"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/model"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server"
	"mckinsey.com/ark/server/storage"
	"mckinsey.com/ark/workers"
)

// Connections of each module to the database; what listens has its own.
const (
	serverConns      = 16
	workerConns      = 8
	controllerConns  = 2
	readyTimeout     = time.Minute
	clientQPS        = 1000
	clientBurst      = 2000
	workerGrace      = 10 * time.Second
	cacheSyncTimeout = time.Minute
)

// startModules starts the API server, and the controllers and workers if they are
// wanted, and returns how a client of this process reaches the API.
func startModules(ctx context.Context, parts *layers, o devOptions, url string) (*rest.Config, error) {
	serverPool, err := startPool(ctx, parts, url, moduleServer, serverConns)
	if err != nil {
		return nil, err
	}
	modes, err := storage.ParseModes(o.Serve)
	if err != nil {
		return nil, fmt.Errorf("--serve: %w", err)
	}
	objects := store.Open(parts.ctx, serverPool, store.Options{EagerProgress: true})
	parts.onStop("store", func() error { objects.Close(); return nil })
	api, err := server.New(parts.ctx, server.Options{
		Store: objects, Port: o.Port, CertDir: o.DataDir + "/pki", Kubeconfig: o.kubeconfig(), Modes: modes,
	})
	if err != nil {
		return nil, fmt.Errorf("make the API server: %w", err)
	}
	parts.start("API server", api.Run)
	if err := api.WaitReady(ctx, readyTimeout); err != nil {
		select {
		case failure := <-parts.failed:
			return nil, failure
		default:
			return nil, fmt.Errorf("wait for the API server: %w", err)
		}
	}
	config := rest.CopyConfig(api.LoopbackClientConfig())
	config.QPS, config.Burst = clientQPS, clientBurst
	return config, startClients(ctx, parts, o, url, config, objects)
}

// startClients starts what talks to the API: the manager with its cache, the
// controllers in it, and the workers.
func startClients(ctx context.Context, parts *layers, o devOptions, url string, config *rest.Config, objects *store.Store) error {
	if !o.has(moduleControllers) && !o.has(moduleWorkers) {
		return nil
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		// Nobody scrapes and probes a development process.
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		// Secrets are read when they are needed, Queries are not held in memory.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Cache:  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return fmt.Errorf("make the controller manager: %w", err)
	}
	clients := egress.NewClients(parts.ctx, egress.Policy{AllowLoopback: true, AllowPrivate: o.privateRanges})
	if o.has(moduleControllers) {
		pool, err := startPool(ctx, parts, url, moduleControllers, controllerConns)
		if err != nil {
			return err
		}
		err = controllers.AddToManager(mgr, controllers.Options{
			Prober: model.New(model.Options{Reader: mgr.GetClient(), HTTP: clients.Model, AllowCrossNamespace: o.AllowCross}),
			Due:    due.NewQueries(pool),
		})
		if err != nil {
			return err
		}
	}
	parts.start("controller manager", mgr.Start)
	syncCtx, cancel := context.WithTimeout(ctx, cacheSyncTimeout)
	defer cancel()
	if !mgr.GetCache().WaitForCacheSync(syncCtx) {
		return fmt.Errorf("the cache of the controllers was not filled within %s", cacheSyncTimeout)
	}
	if !o.has(moduleWorkers) {
		return nil
	}
	return startWorkers(ctx, parts, o, url, config, objects, mgr, clients)
}

func startWorkers(ctx context.Context, parts *layers, o devOptions, url string, config *rest.Config, objects *store.Store, mgr ctrl.Manager, clients *egress.Clients) error {
	pool, err := startPool(ctx, parts, url, moduleWorkers, workerConns)
	if err != nil {
		return err
	}
	events, err := startEvents(parts, config)
	if err != nil {
		return err
	}
	runner := execution.New(execution.Options{
		Reader: mgr.GetClient(), APIReader: mgr.GetAPIReader(), ReaderFor: readerFor(config, mgr.GetClient()),
		AllowCrossNamespace: o.AllowCross, HTTP: clients, Events: events, AllEvents: o.AllEvents,
	})
	w, err := workers.New(workers.Options{
		Pool: pool, Store: objects, Subscribe: objects.Hints,
		Runner: runner, Announce: runner.Announce,
		Concurrency: o.Concurrency, LeaseDuration: o.LeaseDuration, GracePeriod: workerGrace,
	})
	if err != nil {
		return fmt.Errorf("make the workers: %w", err)
	}
	parts.start("workers", w.Run)
	return nil
}

// readerFor reads with the rights of the ServiceAccount that a Query names.
func readerFor(config *rest.Config, reader client.Client) execution.ReaderFor {
	return func(_ context.Context, namespace, serviceAccount string) (client.Reader, error) {
		account := rest.CopyConfig(config)
		account.Impersonate = rest.ImpersonationConfig{
			UserName: serviceaccount.MakeUsername(namespace, serviceAccount),
			Groups:   append(serviceaccount.MakeGroupNames(namespace), user.AllAuthenticated),
		}
		c, err := client.New(account, client.Options{Scheme: scheme, Mapper: reader.RESTMapper()})
		if err != nil {
			return nil, fmt.Errorf("make a client for service account %s/%s: %w", namespace, serviceAccount, err)
		}
		return c, nil
	}
}

// startEvents writes Kubernetes Events, asynchronously; under load some are
// dropped.
func startEvents(parts *layers, config *rest.Config) (record.EventRecorder, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for events: %w", err)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(parts.ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: clientset.CoreV1().Events("")})
	parts.onStop("events", func() error { broadcaster.Shutdown(); return nil })
	return broadcaster.NewRecorder(scheme, corev1.EventSource{Component: "ark-workers"}), nil
}

// startPool opens connections under a module's name, closed when it has stopped.
func startPool(ctx context.Context, parts *layers, url, module string, conns int32) (*pgxpool.Pool, error) {
	pool, err := pg.NewPool(ctx, url, pg.Options{ApplicationName: module, MaxConns: conns})
	if err != nil {
		return nil, fmt.Errorf("open connections of the %s: %w", module, err)
	}
	parts.onStop("connections of the "+module, func() error { pool.Close(); return nil })
	return pool, nil
}
