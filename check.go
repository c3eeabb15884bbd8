package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
)

// checkInterval is the pause between two looks at the cluster.
const checkInterval = 250 * time.Millisecond

// check finds out whether a cluster serves Ark, as a user would.
type check struct {
	Kubeconfig string
	Namespace  string
	Timeout    time.Duration
	Ask        bool
	// The model of the question: a script that the check itself serves.
	ModelAddress string
	ModelService string

	out    io.Writer
	client client.WithWatch
}

// newCheckCommand is `ark check`: what the chart runs after an installation, and
// for `helm test`.
func newCheckCommand() *cobra.Command {
	c := &check{Namespace: os.Getenv("POD_NAMESPACE"), Timeout: time.Minute, ModelAddress: ":8080"}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that a cluster serves Ark, and with --ask that a question is answered",
		Long: `Check that a cluster serves Ark: wait until it offers all kinds and accepts an agent,
which is not kept. With --ask a model, an agent and a query are made, and deleted
again once the query is answered; the model is a script that the check itself serves,
so this process must be reachable from the workers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.out = cmd.OutOrStdout()
			ctx, cancel := context.WithTimeout(cmd.Context(), c.Timeout)
			defer cancel()
			return c.run(ctx)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Kubeconfig, "kubeconfig", c.Kubeconfig, "the cluster (default $KUBECONFIG, the cluster that the process runs in, or ~/.kube/config)")
	f.StringVarP(&c.Namespace, "namespace", "n", c.Namespace, "where agents and queries are made (default $POD_NAMESPACE, else that of the kubeconfig)")
	f.DurationVar(&c.Timeout, "timeout", c.Timeout, "how long all of it may take")
	f.BoolVar(&c.Ask, "ask", c.Ask, "ask a question and wait for the answer")
	f.StringVar(&c.ModelAddress, "model-address", c.ModelAddress, "with --ask: where the scripted model listens")
	f.StringVar(&c.ModelService, "model-service", c.ModelService, "with --ask: Service of the namespace that leads to the scripted model")
	return cmd
}

func (c *check) run(ctx context.Context) error {
	config, err := c.cluster()
	if err != nil {
		return err
	}
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make a client for %s: %w", config.Host, err)
	}
	if err := c.await(ctx); err != nil {
		return err
	}
	c.say("%s serves Ark", config.Host)
	if !c.Ask {
		return nil
	}
	return c.ask(ctx)
}

// cluster is how the cluster is reached. Without a namespace of its own the check
// uses that of the kubeconfig.
func (c *check) cluster() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig): %w", err)
	}
	if c.Namespace == "" {
		if c.Namespace, _, err = loader.Namespace(); err != nil {
			return nil, fmt.Errorf("find the namespace (--namespace): %w", err)
		}
	}
	return config, nil
}

// await returns once the cluster serves all kinds. What is missing meanwhile is
// said once each.
func (c *check) await(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, checkInterval, true, func(ctx context.Context) (bool, error) {
		err := c.serves(ctx)
		if err != nil && ctx.Err() == nil && (last == nil || last.Error() != err.Error()) {
			c.say("waiting: %s", oneLine(err))
			last = err
		}
		return err == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("the cluster does not serve Ark within %s: %w", c.Timeout, last)
	}
	return err
}

// serves reads a kind of each version, and has an agent checked, which goes through
// all that stands between a user and the storage but changes nothing.
func (c *check) serves(ctx context.Context) error {
	for _, list := range []client.ObjectList{&arkv1alpha1.AgentList{}, &v1prealpha1.A2AServerList{}} {
		if err := c.client.List(ctx, list, client.InNamespace(c.Namespace), client.Limit(1)); err != nil {
			return fmt.Errorf("list %T: %w", list, err)
		}
	}
	agent := &arkv1alpha1.Agent{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, GenerateName: checkName}}
	if err := c.client.Create(ctx, agent, client.DryRunAll); err != nil {
		return fmt.Errorf("create an agent, for nothing: %w", err)
	}
	return nil
}

func (c *check) say(format string, args ...any) {
	_, _ = fmt.Fprintln(c.out, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
