package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

	"mckinsey.com/ark/controllers/query"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server/storage"
)

// Modules of a process.
const (
	moduleServer      = "server"
	moduleControllers = "controllers"
	moduleWorkers     = "workers"
	moduleMetrics     = "metrics"
	moduleWebhooks    = "webhooks"
)

// allModules are the modules by name, and the names that Ark had for them before.
var (
	allModules    = []string{moduleMetrics, moduleWebhooks, moduleServer, moduleControllers, moduleWorkers}
	moduleAliases = map[string]string{"apiserver": moduleServer, "controller": moduleControllers, "query-workers": moduleWorkers, "webhook": moduleWebhooks}
)

// Connections of each module to the database; what listens has its own.
const (
	serverConns     = 16
	workerConns     = 8
	controllerConns = 2
)

// How a module talks to the API: much, since it works for many users.
const (
	clientQPS   = 1000
	clientBurst = 2000
)

// privateRangesVariable names private ranges where no flag does, as in Ark.
const privateRangesVariable = "ALLOWED_PRIVATE_IP_RANGES"

// moduleOptions are the settings of the modules, wherever they run.
type moduleOptions struct {
	Modules         []string
	Concurrency     int
	LeaseDuration   time.Duration
	AllowPrivateIPs []string
	AllowCross      bool
	AllEvents       bool
	Serve           []string
	// MaxQueries are executed at once by the leader, where there are no workers.
	MaxQueries int

	privateRanges []netip.Prefix                        // AllowPrivateIPs, read
	modes         map[schema.GroupResource]storage.Mode // Serve, read
}

func newModuleOptions(modules ...string) moduleOptions {
	return moduleOptions{Modules: modules, Concurrency: 32, LeaseDuration: 15 * time.Second, MaxQueries: query.DefaultConcurrency}
}

func (o *moduleOptions) addFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.Serve, "serve", o.Serve, "how resources are served, as resource=cached (from memory) or resource=direct (from the database), like agents.ark.mckinsey.com=direct")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "how many queries are executed at once")
	f.DurationVar(&o.LeaseDuration, "lease-duration", o.LeaseDuration, "how long a query stays with a worker that gives no sign of life")
	f.StringSliceVar(&o.AllowPrivateIPs, "allow-private-ips", o.AllowPrivateIPs, "ranges of private addresses, such as 10.0.0.0/8, that models and tools may be reached at, also with plain http; can be repeated (default $ALLOWED_PRIVATE_IP_RANGES, else none but those of Services; link-local addresses never)")
	f.BoolVar(&o.AllowCross, "allow-cross-namespace", o.AllowCross, "follow references to Models and Services of other namespaces for everybody, with the rights of the workers and controllers; otherwise only for queries with a serviceAccount, with its rights")
	f.BoolVar(&o.AllEvents, "all-events", o.AllEvents, "write Kubernetes Events for each agent, model call and tool call too, not only for a query's start, end and warnings")
}

// complete reads the settings and refuses what makes no sense.
func (o *moduleOptions) complete() error {
	for i, m := range o.Modules {
		if name, ok := moduleAliases[m]; ok {
			o.Modules[i] = name
		} else if !slices.Contains(allModules, m) {
			return fmt.Errorf("--modules: %q is none of %v", m, allModules)
		}
	}
	switch {
	case len(o.Modules) == 0:
		return errors.New("--modules: there must be at least one")
	case o.Concurrency < 1:
		return fmt.Errorf("--concurrency: %d, must be at least 1", o.Concurrency)
	case o.LeaseDuration < time.Second:
		return fmt.Errorf("--lease-duration: %s, must be at least 1s", o.LeaseDuration)
	}
	modes, err := storage.ParseModes(o.Serve)
	if err != nil {
		return fmt.Errorf("--serve: %w", err)
	}
	o.modes = modes
	return o.completeEgress()
}

func (o *moduleOptions) completeEgress() error {
	from, texts := "--allow-private-ips", o.AllowPrivateIPs
	if len(texts) == 0 {
		from = privateRangesVariable
		texts = strings.FieldsFunc(os.Getenv(privateRangesVariable), func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	}
	ranges, err := egress.ParseRanges(texts)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	o.privateRanges = ranges
	return nil
}

func (o *moduleOptions) has(module string) bool { return slices.Contains(o.Modules, module) }

// environment is what the modules of a process stand on.
type environment struct {
	parts   *layers
	options moduleOptions
	// database is where it is, and objects what stands in it; empty and nil: there is
	// none, objects are in the cluster's own API server.
	database pg.Source
	objects  *store.Store
	// api is how the modules reach the API, as a client does.
	api *rest.Config
	// election is how one of several processes is chosen to reconcile; nil: there
	// is only this one.
	election *election
	// egress is what models and tools may be reached at, and http what reaches them.
	egress egress.Policy
	http   *egress.Clients
	// identity of the process as a worker; empty: host and process id.
	identity string

	webhooks webhookOptions
	health   health
	ready    []healthz.HealthChecker // of the server, beside those of its own
	events   record.EventRecorder    // once somebody has asked for it
}

// start starts the modules that are clients of the API.
func (e *environment) start(ctx context.Context) error {
	e.http = egress.NewClients(e.parts.ctx, e.egress)
	if e.options.has(moduleWebhooks) {
		if err := e.startWebhooks(e.webhooks); err != nil {
			return err
		}
	}
	if e.options.has(moduleControllers) {
		if err := e.startControllers(ctx); err != nil {
			return err
		}
	}
	if e.options.has(moduleWorkers) {
		return e.startWorkers(ctx)
	}
	return nil
}

// openStore opens the objects over connections of a module.
func openStore(ctx context.Context, parts *layers, database pg.Source, module string) (*store.Store, *pgxpool.Pool, error) {
	pool, err := startPool(ctx, parts, database, module, serverConns)
	if err != nil {
		return nil, nil, err
	}
	objects := store.Open(parts.ctx, pool, store.Options{EagerProgress: true})
	parts.onStop("store", func() error { objects.Close(); return nil })
	return objects, pool, nil
}

// eventRecorder writes Kubernetes Events, asynchronously; under load some are
// dropped. There is one a process.
func (e *environment) eventRecorder() (record.EventRecorder, error) {
	if e.events != nil {
		return e.events, nil
	}
	clientset, err := kubernetes.NewForConfig(e.api)
	if err != nil {
		return nil, fmt.Errorf("make a client for events: %w", err)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(e.parts.ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: clientset.CoreV1().Events("")})
	e.parts.onStop("events", func() error { broadcaster.Shutdown(); return nil })
	e.events = broadcaster.NewRecorder(scheme, corev1.EventSource{Component: "ark-workers"})
	return e.events, nil
}

// startPool opens connections under a module's name, closed when it has stopped.
func startPool(ctx context.Context, parts *layers, database pg.Source, module string, conns int32) (*pgxpool.Pool, error) {
	pool, err := database.NewPool(ctx, pg.Options{ApplicationName: module, MaxConns: conns, Tracer: databaseMetrics.Tracer(module)})
	if err != nil {
		return nil, fmt.Errorf("open connections of the %s: %w", module, err)
	}
	parts.onStop("connections of the "+module, func() error { pool.Close(); return nil })
	return pool, nil
}
