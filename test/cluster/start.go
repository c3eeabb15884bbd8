package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/client-go/kubernetes"

	"mckinsey.com/ark/test/cluster/controlplane"
	"mckinsey.com/ark/test/cluster/network"
	"mckinsey.com/ark/test/cluster/node"
	"mckinsey.com/ark/test/cluster/sandbox"
	"mckinsey.com/ark/test/cluster/services"
)

// dnsIP is where names of Services are asked for.
const dnsIP = "10.96.0.10"

// startAll starts the cluster, then the command, and returns how that ended.
func startAll(ctx context.Context, o sandbox.Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addresses, err := network.New()
	if err != nil {
		return err
	}
	plane, err := controlplane.Start(ctx, o.Programs, o.Dir, network.NodeIP)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(plane.Admin)
	if err != nil {
		return err
	}
	if err := services.Start(ctx, client, dnsIP); err != nil {
		return err
	}
	if err := sandbox.Resolver(o.Dir, dnsIP); err != nil {
		return err
	}
	cert, key, clientCA := plane.KubeletCertificate()
	if _, err := node.Start(ctx, node.Options{
		Config: plane.Admin, Network: addresses, Dir: filepath.Join(o.Dir, "pods"), Images: o.Images, Rootless: o.Rootless,
		DNS: dnsIP, API: controlplane.ServiceIP, Cert: cert, Key: key, ClientCA: clientCA,
	}); err != nil {
		return err
	}
	if err := plane.Settled(ctx); err != nil {
		return err
	}
	return command(ctx, o, plane.Kubeconfig)
}

// command runs what the cluster is for.
func command(ctx context.Context, o sandbox.Options, kubeconfig string) error {
	cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "CLUSTER_DIR="+o.Dir, "NODE_IP="+network.NodeIP,
		"PATH="+o.Programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd.Run()
}
