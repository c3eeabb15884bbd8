package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/strategy"
)

// Server is an API server that stands for itself.
type Server struct {
	options    Options
	address    net.Addr
	generic    *genericapiserver.GenericAPIServer
	run        func(context.Context) error
	registries registries
	namespaces *namespaceController
}

// New makes a server and takes its port; it serves once it runs. It does not wait
// for the database: until that is there, the server is not ready. ctx bounds the
// life of what New starts.
func New(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	config, err := newStandAloneConfig(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, address: config.SecureServing.Listener.Addr(), registries: registries{}}
	err = s.assemble(ctx, config)
	if err == nil {
		err = s.ensureCertificates(ctx, true)
	}
	if err != nil {
		if s.generic != nil {
			s.generic.Destroy()
		}
		return nil, errors.Join(err, config.SecureServing.Listener.Close())
	}
	return s, nil
}

// assemble puts the kinds, admission and health of a stand-alone server together.
func (s *Server) assemble(ctx context.Context, config *genericapiserver.Config) error {
	informers, err := applyAdmission(ctx, config, newQueryAdmission(s.registries, s.options.SkipTargetCheck))
	if err != nil {
		return err
	}
	s.namespaces = newNamespaceController(informers.Core().V1().Namespaces(), s.registries, s.options.Clock)
	config.AddReadyzChecks(s.namespaces.check())
	s.generic, err = config.Complete(informers).New("ark-server", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return fmt.Errorf("make the generic API server: %w", err)
	}
	o := strategy.Options{Typer: scheme, Clock: s.options.Clock, Categories: []string{"all"}}
	ark, err := s.serve(config, v1alpha1.GroupName, strategy.Ark(), o)
	if err != nil {
		return err
	}
	if err := s.generic.InstallAPIGroup(ark); err != nil {
		return fmt.Errorf("serve %s: %w", v1alpha1.GroupName, err)
	}
	core, err := s.serve(config, "", strategy.Core(), o)
	if err != nil {
		return err
	}
	if err := s.generic.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, core); err != nil {
		return fmt.Errorf("serve the core group: %w", err)
	}
	s.run = s.generic.PrepareRun().RunWithContext
	return nil
}

// serve makes the storage of the kinds of a group.
func (s *Server) serve(config *genericapiserver.Config, group string, kinds []strategy.Kind, o strategy.Options) (*genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(group, scheme, runtime.NewParameterCodec(scheme), codecs)
	for _, kind := range kinds {
		served, err := kind.Serve(config.RESTOptionsGetter, o)
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", kind.Resource(), err)
		}
		s.registries.add(served)
		version := kind.GroupVersion().Version
		if info.VersionedResourcesStorageMap[version] == nil {
			info.VersionedResourcesStorageMap[version] = served.Storage
			continue
		}
		for path, storage := range served.Storage {
			info.VersionedResourcesStorageMap[version][path] = storage
		}
	}
	return &info, nil
}

// Run serves until ctx ends, then lets requests that are being served finish, and
// ends watches.
func (s *Server) Run(ctx context.Context) error {
	logger := klog.FromContext(ctx).WithName("server")
	ctx = klog.NewContext(ctx, logger)
	logger.Info("Serving", "url", s.URL())
	background, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.keepCertificates(background) })
	running.Go(func() { s.namespaces.run(background) })
	err := s.run(ctx)
	stop()
	running.Wait()
	if err != nil {
		return fmt.Errorf("serve the API: %w", err)
	}
	return nil
}

// URL of the server, as in https://127.0.0.1:6443.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.address.String())
	if err != nil || net.ParseIP(host).IsUnspecified() {
		host, port = "127.0.0.1", strconv.Itoa(s.address.(*net.TCPAddr).Port)
	}
	return "https://" + net.JoinHostPort(host, port)
}

// LoopbackClientConfig is how this process talks to the server: as an
// administrator, without limits.
func (s *Server) LoopbackClientConfig() *rest.Config {
	return rest.CopyConfig(s.generic.LoopbackClientConfig)
}

// WaitReady waits until the server answers that it is ready; its error says what
// was missing last.
func (s *Server) WaitReady(ctx context.Context, timeout time.Duration) error {
	config := s.LoopbackClientConfig()
	config.GroupVersion, config.NegotiatedSerializer = &schema.GroupVersion{}, codecs
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return fmt.Errorf("make a client to ask for readiness: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		body, err := client.Get().AbsPath("/readyz").Param("verbose", "").DoRaw(ctx)
		if err != nil {
			last = fmt.Errorf("%w\n%s", err, body)
		}
		return err == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("the server did not become ready: %w: %w", err, last)
	}
	return err
}
