// Command cluster runs a program beside a real Kubernetes control plane, in a
// network of its own, whose node runs Pods as processes of this machine: for tests,
// and for people who want a cluster for as long as a shell.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/test/cluster/container"
	"mckinsey.com/ark/test/cluster/sandbox"
)

const usage = `usage: cluster run [--images DIR] [--dir DIR] [--programs DIR] -- COMMAND [ARG...]

Runs COMMAND in a network of its own beside etcd, kube-apiserver and
kube-controller-manager, with a node that runs Pods as processes. COMMAND finds
KUBECONFIG, CLUSTER_DIR and NODE_IP in its environment, kubectl and helm on its PATH.
Ends with the exit code of COMMAND, or with 77 if this machine does not allow it.
`

func main() {
	klog.LogToStderr(true)
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "run":
		err = run(os.Args[2:])
	case sandbox.Inside:
		err = inside()
	case container.Command:
		err = container.Run()
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(exitCode(exit))
	case errors.Is(err, sandbox.ErrNotAllowed):
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(77)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// exitCode is that of a shell: 128 and the signal, if there was one.
func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// run makes the namespaces and goes on inside.
func run(args []string) (err error) {
	var o sandbox.Options
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flags.StringVar(&o.Images, "images", "", "folder of images: NAME/TAG/config.json and NAME/TAG/rootfs")
	flags.StringVar(&o.Dir, "dir", "", "folder of all files of the cluster (default one that is removed afterwards)")
	flags.StringVar(&o.Programs, "programs", "", "folder of etcd, kube-apiserver and so on (default that of this program)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Command = flags.Args(); len(o.Command) == 0 {
		flags.Usage()
		os.Exit(2)
	}
	return sandbox.Run(o)
}

// inside starts the cluster and the command, as the first process of the namespaces.
func inside() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o, err := sandbox.Enter()
	if err != nil {
		return err
	}
	return startAll(ctx, o)
}
