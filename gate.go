package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/pg"
)

// gateInterval is the pause between two looks at a database that is not usable yet.
const gateInterval = time.Second

// errOtherCluster: two clusters that wrote into one database would delete each
// other's objects.
var errOtherCluster = errors.New("the database belongs to another cluster")

// gate keeps a process from being ready until the database is there, has the
// schema that this binary works with, and belongs to this cluster.
type gate struct {
	pool    *pgxpool.Pool
	cluster string                 // uid of the cluster
	opened  chan struct{}          // closed once it can be used
	why     atomic.Pointer[string] // what is missing
}

func newGate(pool *pgxpool.Pool, cluster string) *gate {
	g := &gate{pool: pool, cluster: cluster, opened: make(chan struct{})}
	g.say("the database was not asked yet")
	return g
}

func (g *gate) say(why string) { g.why.Store(&why) }

// check is the gate as a matter of readiness.
func (g *gate) check() healthz.HealthChecker {
	return healthz.NamedCheck("schema", func(*http.Request) error {
		select {
		case <-g.opened:
			return nil
		default:
			return errors.New(*g.why.Load())
		}
	})
}

// wait returns once the database can be used; an error says that waiting is in
// vain, or that ctx has ended.
func (g *gate) wait(ctx context.Context) error {
	log := klog.FromContext(ctx)
	for {
		err := g.try(ctx)
		switch {
		case err == nil:
			log.Info("The database is there and has the schema")
			close(g.opened)
			return nil
		case errors.Is(err, goose.ErrTooNew), errors.Is(err, errOtherCluster):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		err = pg.Explain(err)
		if why := err.Error(); why != *g.why.Load() {
			g.say(why)
			log.Info("Waiting for the database", "reason", pg.Detail(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(gateInterval):
		}
	}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) try(ctx context.Context) error {
	queries := db.New()
	if err := goose.Check(ctx, g.pool, queries); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	n, err := queries.ClaimClusterUID(ctx, g.pool, g.cluster)
	if err != nil {
		return fmt.Errorf("claim the database: %w", err)
	}
	if n > 0 {
		return nil
	}
	owner, err := queries.GetClusterUID(ctx, g.pool)
	if err != nil {
		return fmt.Errorf("ask whose the database is: %w", err)
	}
	return fmt.Errorf("%w: it is that of the cluster %s, this is %s", errOtherCluster, owner, g.cluster)
}
