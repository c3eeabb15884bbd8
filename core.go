package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server"
)

// coreOptions are the flags of a process in a cluster.
type coreOptions struct {
	DatabaseURL   string
	WatchGrace    time.Duration
	LeaderElect   bool
	Namespace     string
	Identity      string
	AllowLoopback bool
	Aggregated    *server.Aggregated
	moduleOptions
}

// newCoreCommands are `ark core`, which runs modules together, and a command for
// each module alone.
func newCoreCommands() []*cobra.Command {
	const general = `

The database needs the schema (ark goose up). Until it is there and has it, the
process waits and says so. Users are known, and may do, what the cluster says.`
	core := newCoreCommand("core", allModules, "Run the modules of Ark in a cluster, together",
		`Run the modules of Ark in a cluster, together: the API server behind the cluster's
own, the controllers of whichever process leads, and the workers.`+general)
	return []*cobra.Command{
		core,
		newCoreCommand(moduleServer, []string{moduleServer}, "Serve the API behind a cluster's own API server",
			`Serve the API behind a cluster's own API server (as an aggregated API server):
the kinds of ark.mckinsey.com, stored in PostgreSQL.`+general),
		newCoreCommand(moduleControllers, []string{moduleControllers}, "Reconcile what the API holds, if this process leads",
			`Reconcile what the API holds: one of several processes leads.`+general),
		newCoreCommand(moduleWorkers, []string{moduleWorkers}, "Execute queries from the queue",
			`Execute queries from the queue; any number of processes may.`+general),
	}
}

func newCoreCommand(name string, modules []string, short, long string) *cobra.Command {
	o := &coreOptions{
		WatchGrace: server.DefaultWatchGracePeriod, LeaderElect: true, Namespace: os.Getenv("POD_NAMESPACE"), Identity: os.Getenv("POD_NAME"),
		Aggregated: server.NewAggregated(), moduleOptions: newModuleOptions(modules...),
	}
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			return runCore(cmd.Context(), o)
		},
	}
	for alias, module := range moduleAliases {
		if module == name {
			cmd.Aliases = append(cmd.Aliases, alias)
		}
	}
	if name == "core" {
		cmd.Flags().StringSliceVar(&o.Modules, "modules", o.Modules, "what to run: server, controllers, workers")
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *coreOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.DatabaseURL, "database-url", o.DatabaseURL, "PostgreSQL 15 or newer, as postgres://user:password@host/database; what it does not say is taken from the environment (PGHOST, PGUSER, PGPASSWORD ...)")
	f.DurationVar(&o.WatchGrace, "shutdown-watch-termination-grace-period", o.WatchGrace, "how long ending the open watches may take when the server stops")
	f.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "reconcile only while this process leads, by a Lease of the cluster")
	f.StringVar(&o.Namespace, "namespace", o.Namespace, "namespace of the Lease (default $POD_NAMESPACE, else that of the Pod, else ark-system)")
	f.StringVar(&o.Identity, "identity", o.Identity, "name of this process, as leader and as worker; no two may have the same (default $POD_NAME, else host and process id)")
	f.BoolVar(&o.AllowLoopback, "allow-loopback", o.AllowLoopback, "let models and tools be at addresses of this very machine, such as 127.0.0.1: for tests and sidecars")
	o.moduleOptions.addFlags(f)
	o.Aggregated.AddFlags(f)
}

// podNamespace is where a cluster writes the namespace of a Pod.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (o *coreOptions) complete() error {
	if o.Namespace == "" {
		if text, err := os.ReadFile(podNamespace); err == nil {
			o.Namespace = strings.TrimSpace(string(text))
		}
	}
	if o.Namespace == "" {
		o.Namespace = "ark-system"
	}
	if o.Identity == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name the process after its host: %w", err)
		}
		o.Identity = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	return o.moduleOptions.complete()
}

// runCore runs the modules until ctx ends or one of them fails, then stops them in
// order: workers finish what they can, requests that are served are answered.
func runCore(ctx context.Context, o *coreOptions) (err error) {
	cluster, err := o.Aggregated.ClusterConfig()
	if err != nil {
		return err
	}
	cluster.QPS, cluster.Burst = clientQPS, clientBurst
	uid, err := server.ClusterUID(ctx, cluster)
	if err != nil {
		return err
	}
	parts := newLayers(ctx)
	defer func() { err = errors.Join(err, parts.stop()) }()
	objects, pool, err := openStore(ctx, parts, o.DatabaseURL, o.Modules[0])
	if err != nil {
		return err
	}
	gate := newGate(pool, uid)
	parts.task("schema", gate.wait)
	if o.has(moduleServer) {
		if err := o.serve(parts, objects, gate); err != nil {
			return err
		}
	}
	started := make(chan error, 1)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { started <- errors.Join(gate.pass(waiting), awaitAPI(waiting, cluster)) }()
	for {
		select {
		case <-ctx.Done():
			klog.InfoS("Stopping")
			return nil
		case err := <-parts.failed:
			return err
		case err := <-started:
			if err == nil {
				err = o.startClients(ctx, parts, objects, cluster)
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (o *coreOptions) serve(parts *layers, objects *store.Store, g *gate) error {
	api, err := server.NewBehind(server.Options{
		Store: objects, Modes: o.modes, WatchGracePeriod: o.WatchGrace, Ready: []healthz.HealthChecker{g.check()},
	}, o.Aggregated)
	if err != nil {
		return fmt.Errorf("make the API server: %w", err)
	}
	parts.start("API server", api.Run)
	return nil
}

func (o *coreOptions) startClients(ctx context.Context, parts *layers, objects *store.Store, cluster *rest.Config) error {
	e := &environment{
		parts: parts, options: o.moduleOptions, database: o.DatabaseURL, objects: objects, api: cluster,
		egress: egress.Policy{AllowLoopback: o.AllowLoopback, AllowPrivate: o.privateRanges}, identity: o.Identity,
	}
	if o.LeaderElect {
		e.election = &election{Namespace: o.Namespace, Identity: o.Identity}
	}
	return e.start(ctx)
}

// awaitAPI returns once the cluster serves Ark's kinds: from this process, or from
// another one.
func awaitAPI(ctx context.Context, cluster *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(cluster)
	if err != nil {
		return fmt.Errorf("make a client for discovery: %w", err)
	}
	for said := false; ; said = true {
		_, err := client.ServerResourcesForGroupVersionWithContext(ctx, arkv1alpha1.GroupVersion.String())
		if err == nil {
			return nil
		}
		if !said {
			klog.InfoS("Waiting until the cluster serves Ark's kinds", "reason", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(gateInterval):
		}
	}
}
