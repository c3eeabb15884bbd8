package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/postgres"
	"mckinsey.com/ark/server"
)

// devOptions are the flags of `ark dev`.
type devOptions struct {
	DataDir         string
	DatabaseURL     string
	DatabaseTimeout time.Duration
	Port            int
	Demo            bool
	Exit            bool
	moduleOptions
}

func newDevCommand() *cobra.Command {
	o := devOptions{
		DatabaseTimeout: time.Minute,
		Port:            7443,
		moduleOptions:   newModuleOptions(moduleServer, moduleControllers, moduleWorkers),
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
	o.moduleOptions.addFlags(f)
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
	if err := o.moduleOptions.complete(); err != nil {
		return err
	}
	switch {
	case !o.has(moduleServer):
		return errors.New("--modules: ark dev always runs the server: the others need it")
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("--port: %d is not a port", o.Port)
	case o.Exit && !o.Demo:
		return errors.New("--exit goes with --demo")
	}
	return nil
}

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

// readyTimeout is how long the API server may take to be ready.
const readyTimeout = time.Minute

// startModules starts the API server, and the controllers and workers if they are
// wanted, and returns how a client of this process reaches the API.
func startModules(ctx context.Context, parts *layers, o devOptions, url string) (*rest.Config, error) {
	objects, _, err := openStore(ctx, parts, pg.Source{URL: url}, moduleServer)
	if err != nil {
		return nil, err
	}
	policy := egress.Policy{AllowLoopback: true, AllowPrivate: o.privateRanges}
	api, err := server.New(parts.ctx, server.Options{
		Egress: policy, Store: objects, Port: o.Port, CertDir: o.DataDir + "/pki", Kubeconfig: o.kubeconfig(), Modes: o.modes,
	})
	if err != nil {
		return nil, fmt.Errorf("make the API server: %w", err)
	}
	parts.start("API server", api.Run)
	if err := api.WaitReady(ctx, readyTimeout); err != nil {
		select {
		case failure := <-parts.failed:
			return nil, failure
		default:
			return nil, fmt.Errorf("wait for the API server: %w", err)
		}
	}
	config := rest.CopyConfig(api.LoopbackClientConfig())
	config.QPS, config.Burst = clientQPS, clientBurst
	e := &environment{
		parts: parts, options: o.moduleOptions, database: pg.Source{URL: url}, objects: objects, api: config,
		egress: policy,
	}
	return config, e.start(ctx)
}
