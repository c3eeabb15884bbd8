package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/server/certs"
	"mckinsey.com/ark/server/strategy"
)

// certificateCheck is how often certificates are looked at.
const certificateCheck = 12 * time.Hour

// New makes a server that stands for itself, and takes its port; it serves once it
// runs. It does not wait for the database: until that is there, the server is not
// ready. ctx bounds the life of what New starts.
func New(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.CertDir == "" {
		return nil, errors.New("the API server needs a folder for its certificates")
	}
	config, err := newStandAloneConfig(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, address: config.SecureServing.Listener.Addr(), registries: registries{}}
	look, err := newLookAround(s.registries, config.LoopbackClientConfig, o)
	if err != nil {
		return nil, errors.Join(err, config.SecureServing.Listener.Close())
	}
	informers, err := applyAdmission(ctx, config, look)
	if err != nil {
		return nil, errors.Join(err, config.SecureServing.Listener.Close())
	}
	namespaces := newNamespaceController(informers.Core().V1().Namespaces(), s.registries, o.Clock)
	config.AddReadyzChecks(namespaces.check())
	s.background = []func(context.Context){s.keepCertificates, namespaces.run}
	return s, s.build(config, informers, func() error {
		kinds := strategy.Options{Typer: scheme, Clock: o.Clock, Categories: []string{"all"}}
		if err := s.installArk(config, kinds); err != nil {
			return err
		}
		core, err := s.serve(config, "", strategy.Core(), kinds)
		if err != nil {
			return err
		}
		if err := s.generic.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, core); err != nil {
			return fmt.Errorf("serve the core group: %w", err)
		}
		return s.ensureCertificates(ctx, true)
	})
}

// newStandAloneConfig is the configuration of a server that stands for itself: its
// own certificates, its own idea of who may do what, no cluster around it.
func newStandAloneConfig(ctx context.Context, o Options) (*genericapiserver.Config, error) {
	config, err := newConfig(o)
	if err != nil {
		return nil, err
	}
	files, _, err := certs.Ensure(ctx, o.CertDir, o.BindAddress, o.Clock.Now())
	if err != nil {
		return nil, err
	}
	serving := genericoptions.NewSecureServingOptions()
	serving.ServerCert.CertKey = genericoptions.CertKey{CertFile: files.Server, KeyFile: files.Server}
	serving.BindAddress = o.BindAddress
	if serving.Listener, serving.BindPort, err = listen(ctx, o.BindAddress, o.Port); err != nil {
		return nil, err
	}
	if err := applyServing(config, serving, files); err != nil {
		return nil, errors.Join(err, serving.Listener.Close())
	}
	config.Authorization.Authorizer = newStandAloneAuthorizer()
	return config, nil
}

// applyServing serves TLS, and knows clients by certificates of the same authority.
func applyServing(config *genericapiserver.Config, serving *genericoptions.SecureServingOptions, files certs.Files) error {
	if err := serving.WithLoopback().ApplyToConfig(config); err != nil {
		return fmt.Errorf("prepare serving: %w", err)
	}
	authority, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", files.Authority)
	if err != nil {
		return fmt.Errorf("read the certificate authority: %w", err)
	}
	if err := config.Authentication.ApplyClientCert(authority, config.SecureServing); err != nil {
		return fmt.Errorf("ask clients for certificates: %w", err)
	}
	// No anonymous requests, and no tokens but the loopback client's.
	config.Authentication.Authenticator, _, err = authenticatorfactory.DelegatingAuthenticatorConfig{
		ClientCertificateCAContentProvider: authority,
	}.New()
	if err != nil {
		return fmt.Errorf("prepare authentication: %w", err)
	}
	return nil
}

// listen takes the port, or says who is in the way.
func listen(ctx context.Context, address net.IP, port int) (net.Listener, int, error) {
	at := net.JoinHostPort(address.String(), strconv.Itoa(port))
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", at)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, 0, fmt.Errorf("port %d on %s is in use by another program: stop it, or choose another port (--port): %w", port, address, err)
	case err != nil:
		return nil, 0, fmt.Errorf("listen on %s: %w", at, err)
	}
	return listener, listener.Addr().(*net.TCPAddr).Port, nil
}

// ensureCertificates renews what is near its end, and tells the administrator's
// clients: always, or if something was renewed.
func (s *Server) ensureCertificates(ctx context.Context, always bool) error {
	files, renewed, err := certs.Ensure(ctx, s.options.CertDir, s.options.BindAddress, s.options.Clock.Now())
	if err != nil || s.options.Kubeconfig == "" || !renewed && !always {
		return err
	}
	return certs.WriteKubeconfig(s.options.Kubeconfig, s.URL(), files)
}

// keepCertificates renews certificates in time, while the server runs. The server
// reads them again by itself.
func (s *Server) keepCertificates(ctx context.Context) {
	ticker := s.options.Clock.NewTicker(certificateCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		if err := s.ensureCertificates(ctx, false); err != nil {
			klog.FromContext(ctx).Error(err, "Certificates could not be renewed; this is tried again", "after", certificateCheck)
		}
	}
}
