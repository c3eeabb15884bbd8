package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server"
)

// serverOptions are the flags of `ark server`.
type serverOptions struct {
	DatabaseURL string
	Aggregated  *server.Aggregated
	Watches     time.Duration
}

func newServerCommand() *cobra.Command {
	o := serverOptions{Aggregated: server.NewAggregated(), Watches: server.DefaultWatchGracePeriod}
	cmd := &cobra.Command{
		Use:     "server",
		Aliases: []string{"apiserver"},
		Short:   "Serve the API behind a cluster's own API server",
		Long: `Serve the API behind a cluster's own API server (as an aggregated API server):
the kinds of ark.mckinsey.com, stored in PostgreSQL. Users are known, and may do,
what the cluster says. The database needs the schema (ark goose up); until it is
there and has it, /readyz says what is missing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServer(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.DatabaseURL, "database-url", o.DatabaseURL, "PostgreSQL 15 or newer, as postgres://user:password@host/database; what it does not say is taken from the environment (PGHOST, PGUSER, PGPASSWORD ...)")
	f.DurationVar(&o.Watches, "shutdown-watch-termination-grace-period", o.Watches, "How long ending the open watches may take when the server stops.")
	o.Aggregated.AddFlags(f)
	return cmd
}

// runServer serves until ctx ends, then lets requests that it has finish.
func runServer(ctx context.Context, o serverOptions) (err error) {
	cluster, err := o.Aggregated.ClusterConfig()
	if err != nil {
		return err
	}
	uid, err := server.ClusterUID(ctx, cluster)
	if err != nil {
		return err
	}
	parts := newLayers(ctx)
	defer func() { err = errors.Join(err, parts.stop()) }()
	pool, err := startPool(ctx, parts, o.DatabaseURL, moduleServer, serverConns)
	if err != nil {
		return err
	}
	gate := newGate(pool, uid)
	parts.task("schema", gate.wait)
	objects := store.Open(parts.ctx, pool, store.Options{EagerProgress: true})
	parts.onStop("store", func() error { objects.Close(); return nil })
	api, err := server.NewBehind(server.Options{
		Store: objects, WatchGracePeriod: o.Watches, Ready: []healthz.HealthChecker{gate.check()},
	}, o.Aggregated)
	if err != nil {
		return fmt.Errorf("make the API server: %w", err)
	}
	parts.start("API server", api.Run)
	select {
	case <-ctx.Done():
		klog.InfoS("Stopping")
		return nil
	case err := <-parts.failed:
		return err
	}
}
