package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/postgres"
)

// devOptions are the flags of `ark dev`.
type devOptions struct {
	DataDir         string
	DatabaseURL     string
	DatabaseTimeout time.Duration
	Port            int
	Modules         []string
	Serve           []string
	Concurrency     int
	LeaseDuration   time.Duration
	AllowPrivateIPs []string
	AllowCross      bool
	AllEvents       bool
	Demo            bool
	Exit            bool

	privateRanges []netip.Prefix // AllowPrivateIPs, read
}

// privateRangesVariable names private ranges where no flag does, as in Ark.
const privateRangesVariable = "ALLOWED_PRIVATE_IP_RANGES"

// Modules of a process.
const (
	moduleServer      = "server"
	moduleControllers = "controllers"
	moduleWorkers     = "workers"
)

func newDevCommand() *cobra.Command {
	o := devOptions{
		DatabaseTimeout: time.Minute,
		Port:            7443,
		Modules:         []string{moduleServer, moduleControllers, moduleWorkers},
		Concurrency:     32,
		LeaseDuration:   15 * time.Second,
	}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine, without a cluster",
		Long: `Run everything on this machine, without a cluster: PostgreSQL, the API server on
127.0.0.1 with a kubeconfig, the controllers and the workers. The data stays in
the data folder: started again, it finds everything. Ctrl-C stops all of it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			return runDev(cmd.Context(), o)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *devOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.DataDir, "data-dir", o.DataDir, "folder for the database, certificates and the kubeconfig (default $XDG_DATA_HOME/ark or ~/.local/share/ark; /var/lib/ark for root)")
	f.StringVar(&o.DatabaseURL, "database-url", o.DatabaseURL, "PostgreSQL 15 or newer to use, as postgres://user:password@host/database, not behind a transaction pooler (default: one that ark runs itself in the data folder)")
	f.DurationVar(&o.DatabaseTimeout, "database-timeout", o.DatabaseTimeout, "how long to wait for the database at the start")
	f.IntVar(&o.Port, "port", o.Port, "port of the API server on 127.0.0.1")
	f.StringSliceVar(&o.Modules, "modules", o.Modules, "what to run: server (always needed), controllers, workers")
	f.StringSliceVar(&o.Serve, "serve", o.Serve, "how resources are served, as resource=cached (from memory) or resource=direct (from the database), like agents.ark.mckinsey.com=direct")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "how many queries are executed at once")
	f.DurationVar(&o.LeaseDuration, "lease-duration", o.LeaseDuration, "how long a query stays with a worker that gives no sign of life")
	f.StringSliceVar(&o.AllowPrivateIPs, "allow-private-ips", o.AllowPrivateIPs, "ranges of private addresses, such as 10.0.0.0/8, that models and tools may be reached at, also with plain http; can be repeated (default $ALLOWED_PRIVATE_IP_RANGES, else none but those of Services; loopback is always allowed, link-local never)")
	f.BoolVar(&o.AllowCross, "allow-cross-namespace", o.AllowCross, "follow references to Models and Services of other namespaces for everybody, with the rights of the workers and controllers; otherwise only for queries with a serviceAccount, with its rights")
	f.BoolVar(&o.AllEvents, "all-events", o.AllEvents, "write Kubernetes Events for each agent, model call and tool call too, not only for a query's start, end and warnings")
	f.BoolVar(&o.Demo, "demo", o.Demo, "apply sample manifests, ask three questions and print the answers; with OPENAI_API_KEY (and OPENAI_BASE_URL, OPENAI_MODEL) a real model answers")
	f.BoolVar(&o.Exit, "exit", o.Exit, "with --demo: end when the questions are answered; exit code 0 only if all are done")
}

// complete fills in defaults and refuses what makes no sense.
func (o *devOptions) complete() error {
	if o.DataDir == "" {
		home, err := postgres.DefaultDataHome()
		if err != nil {
			return err
		}
		o.DataDir = home
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	o.DataDir = dir
	if err := o.completeEgress(); err != nil {
		return err
	}
	known := []string{moduleServer, moduleControllers, moduleWorkers}
	for _, m := range o.Modules {
		if !slices.Contains(known, m) {
			return fmt.Errorf("--modules: %q is none of %v", m, known)
		}
	}
	switch {
	case !slices.Contains(o.Modules, moduleServer):
		return errors.New("--modules: ark dev always runs the server: the others need it")
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("--port: %d is not a port", o.Port)
	case o.Concurrency < 1:
		return fmt.Errorf("--concurrency: %d, must be at least 1", o.Concurrency)
	case o.LeaseDuration < time.Second:
		return fmt.Errorf("--lease-duration: %s, must be at least 1s", o.LeaseDuration)
	case o.Exit && !o.Demo:
		return errors.New("--exit goes with --demo")
	}
	return nil
}

func (o *devOptions) completeEgress() error {
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

func (o *devOptions) has(module string) bool { return slices.Contains(o.Modules, module) }

func (o *devOptions) logFile() string { return filepath.Join(o.DataDir, "ark.log") }

func (o *devOptions) kubeconfig() string { return filepath.Join(o.DataDir, "kubeconfig") }

// errInterrupted says that --exit was to wait for answers, and did not.
var errInterrupted = errors.New("interrupted before the questions were answered")

// runDev runs everything, and stops everything at the end of ctx, a failure, or
// the end of the demo.
func runDev(ctx context.Context, o devOptions) (err error) {
	unlock, err := lockDataDir(o.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := logToFile(o.logFile()); err != nil {
		return err
	}
	parts := newLayers(ctx)
	defer func() {
		if stopErr := parts.stop(); stopErr != nil {
			klog.ErrorS(stopErr, "Stopping")
			err = errors.Join(err, stopErr)
		}
	}()
	err = startDev(ctx, parts, o)
	if ctx.Err() == nil {
		return err
	}
	tell("stopping")
	if err != nil { // who was asked to stop did not fail at what that cut off
		klog.InfoS("Stopping in the middle", "what", err.Error())
	}
	if o.Exit {
		return errInterrupted
	}
	return nil
}

// startDev starts everything and waits for the end.
func startDev(ctx context.Context, parts *layers, o devOptions) error {
	if err := checkPort(o.Port); err != nil {
		return err
	}
	url, err := startDatabase(ctx, parts, o)
	if err != nil {
		return err
	}
	if o.Demo {
		return runDemo(ctx, parts, o, url)
	}
	if _, err := startModules(ctx, parts, o, url); err != nil {
		return err
	}
	printReady(stdout, o, url)
	return waitForEnd(ctx, parts)
}

// waitForEnd waits for the end of ctx, or a failure.
func waitForEnd(ctx context.Context, parts *layers) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-parts.failed:
		return err
	}
}
