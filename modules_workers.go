package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/workers"
)

const (
	// workerGrace is how long executions may go on when the process stops.
	workerGrace      = 10 * time.Second
	cacheSyncTimeout = time.Minute
)

// cacheOptions are those of every cache of this program: without what only the API
// server needs, and without the answers of finished queries, which nobody here reads.
func cacheOptions() cache.Options {
	strip := cache.TransformStripManagedFields()
	return cache.Options{
		DefaultTransform: strip,
		ByObject: map[client.Object]cache.ByObject{&arkv1alpha1.Query{}: {Transform: func(o any) (any, error) {
			if q, ok := o.(*arkv1alpha1.Query); ok && q.Status.Phase.IsTerminal() {
				q.Status.Response = nil
			}
			return strip(o)
		}}},
	}
}

// clientOptions: Secrets and ConfigMaps are read when they are needed, not held.
func clientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}

// startWorkers starts the module that executes queries, over a cache of what they
// refer to.
func (e *environment) startWorkers(ctx context.Context) error {
	pool, err := startPool(ctx, e.parts, e.database, moduleWorkers, workerConns)
	if err != nil {
		return err
	}
	reads, err := cluster.New(e.api, func(o *cluster.Options) {
		o.Scheme, o.Cache, o.Client = scheme, cacheOptions(), clientOptions()
	})
	if err != nil {
		return fmt.Errorf("make the cache of the workers: %w", err)
	}
	e.parts.start("cache of the workers", reads.Start)
	syncCtx, cancel := context.WithTimeout(ctx, cacheSyncTimeout)
	defer cancel()
	if !reads.GetCache().WaitForCacheSync(syncCtx) {
		return fmt.Errorf("the cache of the workers was not filled within %s", cacheSyncTimeout)
	}
	runner, err := e.newRunner(reads.GetClient(), reads.GetAPIReader())
	if err != nil {
		return err
	}
	w, err := workers.New(workers.Options{
		Pool: pool, Store: e.objects, Subscribe: e.objects.Hints,
		Runner: runner, Announce: runner.Announce, Name: e.identity,
		Concurrency: e.options.Concurrency, LeaseDuration: e.options.LeaseDuration, GracePeriod: workerGrace,
	})
	if err != nil {
		return fmt.Errorf("make the workers: %w", err)
	}
	e.parts.start("workers", w.Run)
	return nil
}

// newRunner makes what executes queries: it reads through reads, which may be a
// cache, and past it where that does not know an object yet.
func (e *environment) newRunner(reads client.Client, live client.Reader) (*execution.Runner, error) {
	events, err := e.eventRecorder()
	if err != nil {
		return nil, err
	}
	return execution.New(execution.Options{
		Reader: reads, APIReader: live, ReaderFor: readerFor(e.api, reads),
		AllowCrossNamespace: e.options.AllowCross, HTTP: e.http,
		Events: events, AllEvents: e.options.AllEvents, Metrics: executionMetrics,
	}), nil
}

// readerFor reads with the rights of the ServiceAccount that a Query names.
func readerFor(config *rest.Config, reader client.Client) execution.ReaderFor {
	return func(_ context.Context, namespace, serviceAccount string) (client.Reader, error) {
		account := rest.CopyConfig(config)
		// The API server adds the groups that every service account is in.
		account.Impersonate = rest.ImpersonationConfig{UserName: serviceaccount.MakeUsername(namespace, serviceAccount)}
		c, err := client.New(account, client.Options{Scheme: scheme, Mapper: reader.RESTMapper()})
		if err != nil {
			return nil, fmt.Errorf("make a client for service account %s/%s: %w", namespace, serviceAccount, err)
		}
		return c, nil
	}
}
