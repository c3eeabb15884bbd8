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
	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/strategy"
)

// Server is an API server: one that stands for itself, or one behind a cluster's.
type Server struct {
	options    Options
	address    net.Addr
	generic    *genericapiserver.GenericAPIServer
	run        func(context.Context) error
	registries registries
	// background runs beside the server, until its context ends.
	background []func(context.Context)
}

// build makes the generic server and has it serve what install adds. A failure
// gives the port back.
func (s *Server) build(config *genericapiserver.Config, informers informers.SharedInformerFactory, install func() error) error {
	var err error
	s.generic, err = config.Complete(informers).New("ark-server", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return errors.Join(fmt.Errorf("make the generic API server: %w", err), config.SecureServing.Listener.Close())
	}
	if err := install(); err != nil {
		s.generic.Destroy()
		return errors.Join(err, config.SecureServing.Listener.Close())
	}
	s.run = s.generic.PrepareRun().RunWithContext
	return nil
}

// installArk serves the kinds of ark.mckinsey.com.
func (s *Server) installArk(config *genericapiserver.Config, o strategy.Options) error {
	ark, err := s.serve(config, v1alpha1.GroupName, strategy.Ark(), o)
	if err != nil {
		return err
	}
	if err := s.generic.InstallAPIGroup(ark); err != nil {
		return fmt.Errorf("serve %s: %w", v1alpha1.GroupName, err)
	}
	return nil
}

// serve makes the storage of the kinds of a group.
func (s *Server) serve(config *genericapiserver.Config, group string, kinds []strategy.Kind, o strategy.Options) (*genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(group, scheme, runtime.NewParameterCodec(scheme), codecs)
	if group == v1alpha1.GroupName {
		info.NegotiatedSerializer = textual{codecs}
	}
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
	for _, work := range s.background {
		running.Go(func() { work(background) })
	}
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
