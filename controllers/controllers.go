// Package controllers is the one list of Ark's controllers: what the leader
// reconciles. They read and write single objects through the API, as anyone
// would, and ask internal/due for what only a set can answer.
package controllers

import (
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"mckinsey.com/ark/controllers/model"
	"mckinsey.com/ark/controllers/query"
)

// Options are what the controllers need of the process that runs them.
type Options struct {
	// Prober asks a Model for a sign of life.
	Prober model.Prober
	// ProbeTimeout bounds one probe; zero means 30 seconds.
	ProbeTimeout time.Duration
	// Due finds the queries whose time to live has passed; nil: there is no database,
	// and Runner is needed.
	Due query.Due
	// Runner executes queries in the process that leads; nil: workers do it.
	Runner query.Runner
	// MaxConcurrentQueries bounds them; 0: query.DefaultConcurrency.
	MaxConcurrentQueries int
	// Clock is the time; nil means the real one.
	Clock clock.WithTicker
}

// AddToManager registers every controller with a manager, which starts them
// once it leads.
func AddToManager(mgr ctrl.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.ProbeTimeout == 0 {
		o.ProbeTimeout = 30 * time.Second
	}
	models := &model.Reconciler{Client: mgr.GetClient(), Prober: o.Prober, Timeout: o.ProbeTimeout, Clock: o.Clock}
	if err := models.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("set up the controller of models: %w", err)
	}
	if o.Runner != nil {
		executor := &query.Executor{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Runner: o.Runner, Clock: o.Clock, Concurrency: o.MaxConcurrentQueries,
		}
		if err := executor.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("set up the controller of queries: %w", err)
		}
		return nil
	}
	expiry := &query.Expiry{Client: mgr.GetClient(), Due: o.Due, Clock: o.Clock}
	if err := mgr.Add(expiry); err != nil {
		return fmt.Errorf("set up the expiry of queries: %w", err)
	}
	return nil
}
