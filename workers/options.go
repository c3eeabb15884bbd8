package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/utils/clock"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/store"
)

// Runner executes one Query. It ends soon after its context does, whose cause
// says why: execution.ErrCanceled, ErrTimeout or ErrLeaseLost.
type Runner interface {
	Run(ctx context.Context, q *arkv1alpha1.Query, rec execution.Recorder) execution.Outcome
}

// Writer is the one write path: *store.Store.
type Writer interface {
	Write(ctx context.Context, w store.Write) (int64, error)
}

// Subscribe calls notify with pg.ChannelQueue or pg.ChannelLeases for each hint
// on these channels, and with pg.Connected whenever it may have missed some. It
// returns when ctx ends. notify does not block.
type Subscribe func(ctx context.Context, notify func(channel string))

// Options are what the workers of a process need of it.
type Options struct {
	// Pool is for leases, heartbeats and the trail of runs: short statements
	// only. It must not be one that others can exhaust.
	Pool *pgxpool.Pool
	// Store writes the status of Queries. It must outlive Run.
	Store Writer
	// Runner executes Queries.
	Runner Runner
	// Announce tells users the stored end of a Query that was not executed; nil:
	// nobody does. Those that are executed are the Runner's to tell.
	Announce func(q *arkv1alpha1.Query, o execution.Outcome)
	// Transformer is that of the API server's storage for Queries; nil: bodies
	// are stored as they are.
	Transformer value.Transformer
	// Subscribe brings hints; nil: a connection of its own to where Pool leads.
	// Behind a transaction pooler it must be given, for LISTEN does not work there.
	Subscribe Subscribe
	// Clock is the time; nil: the real one.
	Clock clock.WithTicker

	// Name of the process in ark.workers and ark.runs; empty: host and process id.
	Name string
	// Concurrency is how many Queries are executed at once at most; 0: 32.
	Concurrency int
	// LeaseDuration is how long leases outlast the last heartbeat; 0: 15 s. The
	// clocks of all processes must agree to a fraction of it; one that is off by a
	// third of it is warned of.
	LeaseDuration time.Duration
	// Heartbeat is the pause between heartbeats, under half of LeaseDuration; 0: a third.
	Heartbeat time.Duration
	// Poll is how long work can lie there when every hint is lost; 0: 1 s.
	Poll time.Duration
	// MaxAttempts is how often a Query is begun before it ends in an error; 0: 5.
	MaxAttempts int
	// GracePeriod is how long executions may go on after Run's context has
	// ended, before they are given back; 0: 20 s, negative: not at all.
	GracePeriod time.Duration
	// RunRetention is how long the trail of finished runs is kept; 0: 30 days.
	RunRetention time.Duration
}

// withDefaults fills in what is not set and refuses what cannot work.
func (o Options) withDefaults() (Options, error) {
	if o.Pool == nil || o.Store == nil || o.Runner == nil {
		return o, errors.New("workers need a pool, a store and a runner")
	}
	setDefault(&o.Clock, clock.WithTicker(clock.RealClock{}))
	if o.Subscribe == nil {
		o.Subscribe = listenOn(o.Pool)
	}
	setDefault(&o.Concurrency, 32)
	setDefault(&o.LeaseDuration, 15*time.Second)
	setDefault(&o.Heartbeat, o.LeaseDuration/3)
	setDefault(&o.Poll, time.Second)
	setDefault(&o.MaxAttempts, 5)
	setDefault(&o.GracePeriod, 20*time.Second)
	setDefault(&o.RunRetention, 30*24*time.Hour)
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return o, fmt.Errorf("name the worker after its host: %w", err)
		}
		o.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	return o, o.validate()
}

func (o Options) validate() error {
	switch {
	case o.Concurrency < 1:
		return fmt.Errorf("concurrency is %d, must be at least 1", o.Concurrency)
	case o.MaxAttempts < 1:
		return fmt.Errorf("the most attempts are %d, must be at least 1", o.MaxAttempts)
	case o.LeaseDuration <= 0 || o.Heartbeat <= 0 || o.Poll <= 0 || o.RunRetention <= 0:
		return errors.New("lease duration, heartbeat, poll and retention of runs must be positive")
	case o.Heartbeat >= o.LeaseDuration/2:
		return fmt.Errorf("the heartbeat (%s) must be less than half of the lease duration (%s)", o.Heartbeat, o.LeaseDuration)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
