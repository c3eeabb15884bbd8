package server

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/admission"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"mckinsey.com/ark/server/strategy"
)

const (
	// DefaultSecurePort is where a server behind a cluster's API server listens.
	DefaultSecurePort = 6443
	// http2Streams is how many requests one connection may carry at once: a
	// cluster's API server sends all of its own over a few.
	http2Streams = 1000
)

// Aggregated are the settings of a server that stands behind a cluster's API
// server: whom it trusts, whom it asks who may do what, what is audited and
// admitted. They are those of every aggregated API server, under the same flags.
type Aggregated struct {
	// ShutdownDelay is how long a server that is told to stop goes on serving,
	// while it says that it is not ready: until nobody sends requests here any more.
	ShutdownDelay time.Duration

	recommended *genericoptions.RecommendedOptions
}

// NewAggregated returns the defaults.
func NewAggregated() *Aggregated {
	r := genericoptions.NewRecommendedOptions("", storageCodec)
	// Objects are in PostgreSQL, and there is nothing to tunnel to.
	r.Etcd, r.EgressSelector = nil, nil
	r.SecureServing.BindPort = DefaultSecurePort
	r.SecureServing.HTTP2MaxStreamsPerConnection = http2Streams
	// Without certificate files there is one in memory, not one in the folder that
	// the process happens to run in.
	r.SecureServing.ServerCert.CertDirectory = ""
	return &Aggregated{recommended: r}
}

// AddFlags adds the flags of all settings.
func (a *Aggregated) AddFlags(f *pflag.FlagSet) {
	a.recommended.AddFlags(f)
	f.DurationVar(&a.ShutdownDelay, "shutdown-delay-duration", a.ShutdownDelay,
		"How long the server goes on serving once it is told to stop, while it says that it is not ready: until nobody sends requests here any more.")
}

// ClusterConfig is how to reach the cluster's API server.
func (a *Aggregated) ClusterConfig() (*rest.Config, error) {
	config := genericapiserver.NewRecommendedConfig(codecs)
	if err := a.recommended.CoreAPI.ApplyTo(config); err != nil {
		return nil, fmt.Errorf("find the cluster's API server (--kubeconfig): %w", err)
	}
	return config.ClientConfig, nil
}

// complete asks one cluster for everything, unless something else is said.
func (a *Aggregated) complete() error {
	r := a.recommended
	for _, file := range []*string{&r.Authentication.RemoteKubeConfigFile, &r.Authorization.RemoteKubeConfigFile} {
		if *file == "" {
			*file = r.CoreAPI.CoreAPIKubeconfigPath
		}
	}
	if err := utilerrors.NewAggregate(r.Validate()); err != nil {
		return fmt.Errorf("check the settings of the API server: %w", err)
	}
	return nil
}

// NewBehind makes a server that stands behind a cluster's API server, and takes
// its port; it serves once it runs. It needs the cluster at once, but not the
// database: until that is there, and has the schema, the server is not ready. Of
// the options, those about certificates, the port and who may do what are the
// stand-alone server's: here the settings of a say that.
func NewBehind(o Options, a *Aggregated) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := a.complete(); err != nil {
		return nil, err
	}
	s := &Server{options: o, registries: registries{}}
	config, err := s.behindConfig(o, a)
	if err != nil {
		return nil, err
	}
	s.address = config.SecureServing.Listener.Addr()
	return s, s.build(&config.Config, config.SharedInformerFactory, func() error {
		return s.installArk(&config.Config, strategy.Options{Typer: scheme, Clock: o.Clock, GarbageCollected: true})
	})
}

func (s *Server) behindConfig(o Options, a *Aggregated) (*genericapiserver.RecommendedConfig, error) {
	generic, err := newConfig(o)
	if err != nil {
		return nil, err
	}
	generic.ShutdownDelayDuration = a.ShutdownDelay
	config := &genericapiserver.RecommendedConfig{Config: *generic}
	serving := a.recommended.SecureServing
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, nil); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	if err := a.recommended.ApplyTo(config); err != nil {
		return nil, fmt.Errorf("prepare the API server: %w", err)
	}
	// Ark's own checks come last: they see what everybody else has made of it.
	look, err := newLookAround(s.registries, config.ClientConfig, o)
	if err != nil {
		return nil, err
	}
	config.AdmissionControl = admission.NewChainHandler(config.AdmissionControl, look)
	return config, nil
}

// ClusterUID identifies a cluster: it is the uid of its namespace kube-system.
func ClusterUID(ctx context.Context, cluster *rest.Config) (string, error) {
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return "", fmt.Errorf("make a client of the cluster: %w", err)
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the cluster who it is: %w", err)
	}
	return string(namespace.UID), nil
}
