// Package controlplane runs etcd, kube-apiserver and kube-controller-manager.
package controlplane

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// ServiceIP is where Pods find kube-apiserver, at port 443.
	ServiceIP = "10.96.0.1"
	// ServiceRange is where Services have their addresses.
	ServiceRange = "10.96.0.0/16"
	// securePort is where kube-apiserver listens.
	securePort = "6443"
	// patience bounds the start.
	patience = 2 * time.Minute
)

// ControlPlane is a running one.
type ControlPlane struct {
	// Admin is an administrator's way in, and Kubeconfig the same as a file.
	Admin      *rest.Config
	Kubeconfig string

	dir, programs, address string
	// broken ends the start when one of the programs has ended.
	broken context.CancelCauseFunc
}

// file is one of the certificates and keys.
func (c *ControlPlane) file(name string) string { return filepath.Join(c.dir, name) }

// KubeletCertificate is what the node's own server shows, and the authority of its
// one client.
func (c *ControlPlane) KubeletCertificate() (cert, key, clientCA string) {
	return c.file("kubelet.crt"), c.file("kubelet.key"), c.file("ca.crt")
}

// Start starts everything at an address of this machine that is not of the loopback
// network, and returns once kube-apiserver is ready. It all ends with this process.
func Start(ctx context.Context, programs, dir, address string) (*ControlPlane, error) {
	c := &ControlPlane{dir: filepath.Join(dir, "control-plane"), programs: programs, address: address, Kubeconfig: filepath.Join(dir, "admin.kubeconfig")}
	ctx, c.broken = context.WithCancelCause(ctx)
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if err := c.certificates(); err != nil {
		return nil, err
	}
	if err := c.kubeconfig(); err != nil {
		return nil, err
	}
	if err := c.run("etcd", c.etcdFlags()...); err != nil {
		return nil, err
	}
	if err := c.run("kube-apiserver", c.apiserverFlags()...); err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	return c, c.run("kube-controller-manager", c.managerFlags()...)
}

func (c *ControlPlane) certificates() error {
	ca, err := newAuthority(c.dir, "ca")
	if err != nil {
		return err
	}
	front, err := newAuthority(c.dir, "front-proxy-ca") // another one: its clients speak for others
	if err != nil {
		return err
	}
	if _, _, err := ca.sign("service-accounts", &x509.Certificate{}); err != nil {
		return err
	}
	return errors.Join(
		ca.issue("apiserver", pkix.Name{CommonName: "kube-apiserver"}, "127.0.0.1", "localhost", c.address, ServiceIP,
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
		ca.issue("admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}),
		ca.issue("kubelet-client", pkix.Name{CommonName: "kube-apiserver-kubelet-client"}),
		ca.issue("kubelet", pkix.Name{CommonName: "kubelet"}, c.address),
		front.issue("front-proxy-client", pkix.Name{CommonName: "front-proxy-client"}),
	)
}

func (c *ControlPlane) kubeconfig() error {
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: "https://" + net.JoinHostPort(c.address, securePort), CertificateAuthority: c.file("ca.crt")}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificate: c.file("admin.crt"), ClientKey: c.file("admin.key")}
	config.Contexts["cluster"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "admin"}
	config.CurrentContext = "cluster"
	if err := clientcmd.WriteToFile(*config, c.Kubeconfig); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	var err error
	if c.Admin, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	c.Admin.QPS, c.Admin.Burst = -1, -1
	return nil
}

func (c *ControlPlane) etcdFlags() []string {
	return []string{
		"--data-dir", c.file("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380",
	}
}

func (c *ControlPlane) apiserverFlags() []string {
	return []string{
		"--etcd-servers", "http://127.0.0.1:2379", "--bind-address", "0.0.0.0", "--secure-port", securePort,
		"--advertise-address", c.address, "--service-cluster-ip-range", ServiceRange, "--authorization-mode", "RBAC",
		"--tls-cert-file", c.file("apiserver.crt"), "--tls-private-key-file", c.file("apiserver.key"), "--client-ca-file", c.file("ca.crt"),
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", c.file("service-accounts.crt"), "--service-account-signing-key-file", c.file("service-accounts.key"),
		"--requestheader-client-ca-file", c.file("front-proxy-ca.crt"), "--requestheader-allowed-names", "front-proxy-client",
		"--requestheader-username-headers", "X-Remote-User", "--requestheader-uid-headers", "X-Remote-Uid",
		"--requestheader-group-headers", "X-Remote-Group", "--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", c.file("front-proxy-client.crt"), "--proxy-client-key-file", c.file("front-proxy-client.key"),
		"--enable-aggregator-routing=true", "--kubelet-preferred-address-types", "InternalIP",
		"--kubelet-client-certificate", c.file("kubelet-client.crt"), "--kubelet-client-key", c.file("kubelet-client.key"),
		"--kubelet-certificate-authority", c.file("ca.crt"), "--shutdown-delay-duration", "0s",
	}
}

func (c *ControlPlane) managerFlags() []string {
	return []string{
		"--kubeconfig", c.Kubeconfig, "--authentication-kubeconfig", c.Kubeconfig, "--authorization-kubeconfig", c.Kubeconfig,
		"--bind-address", "127.0.0.1", "--cert-dir", c.dir, "--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file", c.file("service-accounts.key"), "--root-ca-file", c.file("ca.crt"),
		"--controllers=*", "--kube-api-qps=500", "--kube-api-burst=1000",
	}
}

// run starts a program, whose log is a file. If it ends before its time, so does
// everything else sooner or later, and the log says why.
func (c *ControlPlane) run(name string, args ...string) error {
	log, err := os.Create(c.file(name + ".log"))
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the program has its own descriptor
	cmd := exec.Command(filepath.Join(c.programs, name), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, c.dir
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		err := fmt.Errorf("%s has ended: %w\n%s", name, cmd.Wait(), tail(c.file(name+".log")))
		fmt.Fprintln(os.Stderr, "cluster:", err)
		c.broken(err)
	}()
	return nil
}

// tail is the end of a file.
func tail(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	return content[max(0, len(content)-4096):]
}

func (c *ControlPlane) ready(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, last = client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for kube-apiserver: %w", errors.Join(context.Cause(ctx), err, last))
	}
	return nil
}

// Settled waits until Pods can be made: the namespace default has its service
// account.
func (c *ControlPlane) Settled(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, last = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the service account of the namespace default: %w", errors.Join(err, last))
	}
	return nil
}
