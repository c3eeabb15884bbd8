package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/server"
)

// Backends that objects can be stored in: the cluster's own API server, as custom
// resources, or PostgreSQL, behind an aggregated API server.
const (
	backendEtcd       = "etcd"
	backendPostgreSQL = "postgresql"
)

// backendModules are the modules of each backend.
var backendModules = map[string][]string{
	backendEtcd:       {moduleMetrics, moduleWebhooks, moduleControllers},
	backendPostgreSQL: {moduleMetrics, moduleServer, moduleControllers, moduleWorkers},
}

// coreOptions are the flags of a process in a cluster.
type coreOptions struct {
	Backend       string
	Database      pg.Source
	WatchGrace    time.Duration
	LeaderElect   bool
	Namespace     string
	Identity      string
	AllowLoopback bool
	Metrics       string
	MetricsCerts  string
	Probes        string
	Webhooks      webhookOptions
	Certificates  certificateOptions
	Aggregated    *server.Aggregated
	moduleOptions
}

// newCoreCommands are `ark core`, which runs modules together, and a command for
// each module alone.
func newCoreCommands() []*cobra.Command {
	const general = `

Objects are in the cluster's own API server, as custom resources
(--storage-backend=etcd), or in PostgreSQL (--storage-backend=postgresql). The
database needs the schema (ark goose up). Until it is there and has it, the process
waits and says so. Users are known, and may do, what the cluster says.`
	return []*cobra.Command{
		newCoreCommand("core", backendEtcd, "Run the modules of Ark in a cluster, together",
			`Run the modules of Ark in a cluster, together: the controllers of whichever process
leads, and with PostgreSQL the API server behind the cluster's own, and the workers.`+general),
		newCoreCommand(moduleServer, backendPostgreSQL, "Serve the API behind a cluster's own API server",
			`Serve the API behind a cluster's own API server (as an aggregated API server):
the kinds of ark.mckinsey.com, stored in PostgreSQL.`+general),
		newCoreCommand(moduleWebhooks, backendEtcd, "Answer what the cluster's API server asks about custom resources",
			`Answer what the cluster's API server asks about custom resources (admission webhooks):
defaults, migrations and checks, by the same rules as Ark's own API server.`+general),
		newCoreCommand(moduleControllers, backendEtcd, "Reconcile what the API holds, if this process leads",
			`Reconcile what the API holds: one of several processes leads. Without PostgreSQL the
leader executes queries too.`+general),
		newCoreCommand(moduleWorkers, backendPostgreSQL, "Execute queries from the queue",
			`Execute queries from the queue in PostgreSQL; any number of processes may.`+general),
	}
}

// newCoreCommand makes the command of a module, or of all that a backend has.
func newCoreCommand(name, backend, short, long string) *cobra.Command {
	o := &coreOptions{
		Backend: backend, WatchGrace: server.DefaultWatchGracePeriod, LeaderElect: true, Metrics: ":8443", Probes: ":8081",
		Webhooks: webhookOptions{Port: defaultWebhookPort}, Certificates: newCertificateOptions(),
		Namespace: os.Getenv("POD_NAMESPACE"), Identity: os.Getenv("POD_NAME"),
		Aggregated: server.NewAggregated(), moduleOptions: newModuleOptions(),
	}
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.Certificates.complete(cmd.Flags()), o.complete()); err != nil {
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
		cmd.Flags().StringSliceVar(&o.Modules, "modules", nil, "what to run: metrics, webhooks, server, controllers, workers (default all that the backend has)")
	} else {
		o.Modules = []string{moduleMetrics, name}
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *coreOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Backend, "storage-backend", o.Backend, "where objects are: etcd (custom resources of the cluster) or postgresql")
	o.Database.AddFlags(f)
	f.DurationVar(&o.WatchGrace, "shutdown-watch-termination-grace-period", o.WatchGrace, "how long ending the open watches may take when the server stops")
	f.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "reconcile only while this process leads, by a Lease of the cluster")
	f.StringVar(&o.Namespace, "namespace", o.Namespace, "namespace of the Lease (default $POD_NAMESPACE, else that of the Pod, else ark-system)")
	f.StringVar(&o.Identity, "identity", o.Identity, "name of this process, as leader and as worker; no two may have the same (default $POD_NAME, else host and process id)")
	f.BoolVar(&o.AllowLoopback, "allow-loopback", o.AllowLoopback, "let models and tools be at addresses of this very machine, such as 127.0.0.1: for tests and sidecars")
	f.StringVar(&o.Metrics, "metrics-bind-address", o.Metrics, "where the metrics module serves /metrics over HTTPS, to whom the cluster lets get that path; 0 turns it off")
	f.StringVar(&o.MetricsCerts, "metrics-cert-dir", o.MetricsCerts, "folder of the metrics module's tls.crt and tls.key, read again when they change (default a certificate that it makes for itself)")
	f.StringVar(&o.Probes, "health-probe-bind-address", o.Probes, "where /livez and /readyz of the modules are served over HTTP (the API server has its own); 0 turns it off")
	f.StringVar(&o.Webhooks.Host, "webhook-host", o.Webhooks.Host, "address that the webhooks listen at (default all)")
	f.IntVar(&o.Webhooks.Port, "webhook-port", o.Webhooks.Port, "port that the webhooks listen at")
	f.StringVar(&o.Webhooks.CertDir, "webhook-cert-dir", o.Webhooks.CertDir, "folder of the webhooks' tls.crt and tls.key, read again when they change")
	f.IntVar(&o.MaxQueries, "max-concurrent-queries", o.MaxQueries, "how many queries the leader executes at once, with --storage-backend=etcd")
	o.Certificates.addFlags(f)
	o.moduleOptions.addFlags(f)
	o.Aggregated.AddFlags(f)
}

// podNamespace is where a cluster writes the namespace of a Pod.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (o *coreOptions) complete() error {
	available, ok := backendModules[o.Backend]
	if !ok {
		return fmt.Errorf("--storage-backend: %q is neither %s nor %s", o.Backend, backendEtcd, backendPostgreSQL)
	}
	if len(o.Modules) == 0 {
		o.Modules = slices.Clone(available)
	}
	if o.MaxQueries < 1 {
		return fmt.Errorf("--max-concurrent-queries: %d, must be at least 1", o.MaxQueries)
	}
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
	if err := o.moduleOptions.complete(); err != nil {
		return err
	}
	for _, m := range o.Modules {
		if !slices.Contains(available, m) {
			return fmt.Errorf("--modules: with --storage-backend=%s there is no module %s, only %v", o.Backend, m, available)
		}
	}
	return nil
}

// runCore runs the modules until ctx ends or one of them fails, then stops them in
// order: workers finish what they can, requests that are served are answered.
func runCore(ctx context.Context, o *coreOptions) (err error) {
	cluster, err := o.Aggregated.ClusterConfig()
	if err != nil {
		return err
	}
	cluster.QPS, cluster.Burst = clientQPS, clientBurst
	parts := newLayers(ctx)
	defer func() { err = errors.Join(err, parts.stop()) }()
	e, err := o.environment(ctx, parts, cluster)
	if err != nil {
		return err
	}
	registered, err := o.keepCertificates(ctx, e)
	if ctx.Err() != nil {
		return nil // told to stop while it waited
	}
	if err != nil {
		return err
	}
	if o.has(moduleMetrics) {
		if err := e.startMetrics(o.Metrics, o.MetricsCerts); err != nil {
			return err
		}
	}
	ready := func(context.Context) error { return nil }
	if o.Backend == backendPostgreSQL {
		if ready, err = o.openDatabase(ctx, e); err != nil {
			return err
		}
	}
	started := make(chan error, 1)
	running := e.health.gate("start", "the modules wait for the database or for the cluster's API")
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { started <- errors.Join(ready(waiting), registered(waiting), awaitAPI(waiting, cluster)) }()
	for {
		select {
		case <-ctx.Done():
			klog.InfoS("Stopping")
			return nil
		case err := <-parts.failed:
			return err
		case err := <-started:
			if err == nil {
				err = e.start(ctx)
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
			running()
		}
	}
}

// environment is what the modules stand on, with the probes of the process, which are
// there before anything else is.
func (o *coreOptions) environment(ctx context.Context, parts *layers, cluster *rest.Config) (*environment, error) {
	e := &environment{
		parts: parts, options: o.moduleOptions, api: cluster, identity: o.Identity, webhooks: o.Webhooks,
		egress: egress.Policy{AllowLoopback: o.AllowLoopback, AllowPrivate: o.privateRanges},
	}
	if o.LeaderElect {
		e.election = &election{Namespace: o.Namespace, Identity: o.Identity}
	}
	probes, err := e.health.listen(ctx, o.Probes)
	if err != nil {
		return nil, err
	}
	if probes != nil {
		parts.start("probes", probes)
	}
	return e, nil
}

// openDatabase opens the objects in PostgreSQL and serves them, if this process is
// to. ready waits until the database can be used.
func (o *coreOptions) openDatabase(ctx context.Context, e *environment) (ready func(context.Context) error, err error) {
	uid, err := server.ClusterUID(ctx, e.api)
	if err != nil {
		return nil, err
	}
	e.database = o.Database
	var pool *pgxpool.Pool
	if e.objects, pool, err = openStore(ctx, e.parts, o.Database, o.mainModule()); err != nil {
		return nil, err
	}
	if err := e.collectQueue(pool); err != nil {
		return nil, err
	}
	gate := newGate(pool, uid)
	e.health.add("schema", gate.check().Check)
	e.parts.task("schema", gate.wait)
	if o.has(moduleServer) {
		err = o.serve(e, gate)
	}
	return gate.pass, err
}

// mainModule gives its name to the connections that the objects are read by.
func (o *coreOptions) mainModule() string {
	for _, m := range []string{moduleServer, moduleWorkers, moduleControllers} {
		if o.has(m) {
			return m
		}
	}
	return moduleMetrics
}

func (o *coreOptions) serve(e *environment, g *gate) error {
	api, err := server.NewBehind(server.Options{
		Egress: e.egress, Store: e.objects, Modes: o.modes, WatchGracePeriod: o.WatchGrace, Ready: append(e.ready, g.check()),
	}, o.Aggregated)
	if err != nil {
		return fmt.Errorf("make the API server: %w", err)
	}
	e.parts.start("API server", api.Run)
	return nil
}
