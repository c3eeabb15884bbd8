package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"mckinsey.com/ark/controllers"
	"mckinsey.com/ark/internal/due"
	"mckinsey.com/ark/internal/model"
)

// election is how one of several processes is chosen to reconcile: by a Lease of
// the cluster.
type election struct {
	Namespace string // of the Lease
	Identity  string // of this process
}

// Times of the election: another process leads within leaderLease and a retry of
// the death of the one that did.
const (
	leaderLease   = 10 * time.Second
	leaderRenewal = 7 * time.Second
	leaderRetry   = 2 * time.Second
	electionName  = "ark-controllers"
)

// startControllers starts the module that reconciles.
func (e *environment) startControllers(ctx context.Context) error {
	o := controllers.Options{MaxConcurrentQueries: e.options.MaxQueries}
	if e.objects != nil {
		pool, err := startPool(ctx, e.parts, e.database, moduleControllers, controllerConns)
		if err != nil {
			return err
		}
		o.Due = due.NewQueries(pool)
	} else if _, err := e.eventRecorder(); err != nil { // before the layer that uses it
		return err
	}
	e.parts.start("controllers", func(ctx context.Context) error { return e.reconcile(ctx, o) })
	return nil
}

// reconcile runs the controllers. A process that has lost an election stands for
// the next one: its other modules go on meanwhile.
func (e *environment) reconcile(ctx context.Context, o controllers.Options) error {
	for {
		mgr, err := e.newManager(o)
		if err != nil {
			return err
		}
		err = mgr.Start(ctx)
		if ctx.Err() != nil || e.election == nil {
			return err
		}
		klog.FromContext(ctx).Info("No longer the leader, standing for election again", "reason", fmt.Sprint(err))
		select {
		case <-ctx.Done():
		case <-time.After(wait.Jitter(leaderRetry, 1)):
		}
	}
}

func (e *environment) newManager(what controllers.Options) (ctrl.Manager, error) {
	o := ctrl.Options{
		Scheme: scheme, Cache: cacheOptions(), Client: clientOptions(),
		// Metrics and probes are those of the process, not of its controllers.
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		// A manager follows another one in the same process.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	}
	if e.election != nil {
		lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, e.election.Namespace, electionName,
			resourcelock.ResourceLockConfig{Identity: e.election.Identity}, e.api, leaderRenewal)
		if err != nil {
			return nil, fmt.Errorf("make the lock of the election: %w", err)
		}
		o.LeaderElection, o.LeaderElectionReleaseOnCancel, o.LeaderElectionResourceLockInterface = true, true, lock
		o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = ptr.To(leaderLease), ptr.To(leaderRenewal), ptr.To(leaderRetry)
	}
	mgr, err := ctrl.NewManager(e.api, o)
	if err != nil {
		return nil, fmt.Errorf("make the controller manager: %w", err)
	}
	what.Prober = model.New(model.Options{Reader: mgr.GetClient(), HTTP: e.http.Model, AllowCrossNamespace: e.options.AllowCross})
	if what.Due == nil {
		if what.Runner, err = e.newRunner(mgr.GetClient(), mgr.GetAPIReader()); err != nil {
			return nil, err
		}
	}
	if err := controllers.AddToManager(mgr, what); err != nil {
		return nil, err
	}
	return mgr, nil
}
