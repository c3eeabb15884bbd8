package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	arkv1prealpha1 "mckinsey.com/ark/api/v1prealpha1"
	"mckinsey.com/ark/server/certificates"
	"mckinsey.com/ark/server/registration"
)

// defaultServicePort is the port of a Service where none is said.
const defaultServicePort = 443

// certificateOptions say where the certificates of the modules come from, and which
// objects of the cluster are to trust them.
type certificateOptions struct {
	Dir      string
	Secret   string
	Hosts    []string
	Lifetime time.Duration

	APIService string
	Webhooks   string
	TakeOver   bool
	Hide       bool
	Owner      string
}

func newCertificateOptions() certificateOptions {
	return certificateOptions{Lifetime: 2160 * time.Hour, TakeOver: true}
}

func (o *certificateOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Dir, "certificate-dir", o.Dir, "folder of tls.crt, tls.key and ca.crt, read again when they change: where the server, the webhooks and the metrics module find their certificate, unless their own flags say otherwise")
	f.StringVar(&o.Secret, "certificate-secret", o.Secret, "Secret in --namespace in which this process and its peers keep certificates that they make and renew themselves, and that are written to --certificate-dir; empty: the files come from elsewhere")
	f.StringSliceVar(&o.Hosts, "certificate-hosts", o.Hosts, "DNS names of the certificate that is made")
	f.DurationVar(&o.Lifetime, "certificate-lifetime", o.Lifetime, "how long the certificate that is made is valid, and its authority ten times as long; both are renewed after two thirds of it")
	f.StringVar(&o.APIService, "api-service", o.APIService, "NAME[:PORT] of the Service in --namespace that the APIServices of Ark's kinds point to: the server has the cluster trust ca.crt for it; empty: the APIServices are not looked after")
	f.StringVar(&o.Webhooks, "webhook-configurations", o.Webhooks, "name of the mutating and the validating webhook configuration that the webhooks have the cluster trust ca.crt for; empty: they are not looked after")
	f.BoolVar(&o.TakeOver, "take-over", o.TakeOver, "take over APIServices that the cluster has made for CustomResourceDefinitions of Ark's kinds, if there are no objects of them")
	f.BoolVar(&o.Hide, "hide-custom-resources", o.Hide, "take over APIServices even if there are custom resources, which cannot be seen until the APIServices are given back")
	f.StringVar(&o.Owner, "owner", o.Owner, "ClusterRole that owns the APIServices that are taken over: once it is deleted the cluster has them again")
}

// complete has the flags of the modules default to the files of --certificate-dir.
func (o *certificateOptions) complete(f *pflag.FlagSet) error {
	if o.Dir == "" {
		if o.Secret != "" || o.APIService != "" || o.Webhooks != "" {
			return errors.New("--certificate-secret, --api-service and --webhook-configurations need a --certificate-dir")
		}
		return nil
	}
	if o.Secret != "" && len(o.Hosts) == 0 {
		return errors.New("--certificate-secret needs --certificate-hosts")
	}
	defaults := map[string]string{"webhook-cert-dir": o.Dir, "metrics-cert-dir": o.Dir}
	if !f.Changed("tls-cert-file") && !f.Changed("tls-private-key-file") { // one without the other is no default
		defaults["tls-cert-file"] = filepath.Join(o.Dir, certificates.CertFile)
		defaults["tls-private-key-file"] = filepath.Join(o.Dir, certificates.KeyFile)
	}
	for name, value := range defaults {
		if f.Changed(name) {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	return nil
}

// service is what the APIServices point to; nil: they are not looked after.
func (o *certificateOptions) service(namespace string) (*registration.Service, error) {
	if o.APIService == "" {
		return nil, nil
	}
	s := &registration.Service{
		Namespace: namespace, Name: o.APIService, Port: defaultServicePort, Group: arkv1alpha1.GroupVersion.Group,
		Versions: []string{arkv1alpha1.GroupVersion.Version, arkv1prealpha1.GroupVersion.Version},
		TakeOver: o.TakeOver, HideCustomResources: o.Hide, Owner: o.Owner,
	}
	if name, port, err := net.SplitHostPort(o.APIService); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || name == "" {
			return nil, fmt.Errorf("--api-service: %q is not NAME[:PORT]", o.APIService)
		}
		s.Name, s.Port = name, int64(n)
	}
	return s, nil
}

// keepCertificates starts what makes certificates and what has the cluster trust them,
// and returns when the files are there: before the modules that read them start.
// registered waits until the cluster reaches what this process serves.
func (o *coreOptions) keepCertificates(ctx context.Context, e *environment) (registered func(context.Context) error, err error) {
	registered = func(context.Context) error { return nil }
	registrar, err := o.newRegistrar(e)
	if err != nil {
		return nil, err
	}
	var keeper *certificates.Keeper
	if o.Certificates.Secret != "" {
		if keeper, err = o.newKeeper(e, registrar); err != nil {
			return nil, err
		}
		e.parts.start("certificates", keeper.Run)
		e.health.add("certificates", keeper.Ready)
	}
	if registrar != nil {
		if keeper != nil {
			registrar.ReadBundleBy(keeper.Bundle)
		}
		e.parts.start("registration", registrar.Run)
		e.health.add("registration", registrar.Ready)
		e.ready = append(e.ready, healthz.NamedCheck("registration", registrar.Ready))
		registered = registrar.Wait
	}
	if keeper == nil {
		return registered, nil
	}
	select {
	case <-keeper.Written():
		return registered, nil
	case err := <-e.parts.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (o *coreOptions) newKeeper(e *environment, registrar *registration.Registrar) (*certificates.Keeper, error) {
	client, err := kubernetes.NewForConfig(e.api)
	if err != nil {
		return nil, fmt.Errorf("make a client for certificates: %w", err)
	}
	c := certificates.Options{
		Client: client, Namespace: o.Namespace, Secret: o.Certificates.Secret, Dir: o.Certificates.Dir,
		Hosts: o.Certificates.Hosts, Lifetime: o.Certificates.Lifetime,
	}
	if registrar != nil {
		c.Trusted = registrar.Trusted
	}
	return certificates.New(c)
}

// newRegistrar registers what this process serves; nil: there is nothing to register.
func (o *coreOptions) newRegistrar(e *environment) (*registration.Registrar, error) {
	r := registration.Options{Cluster: e.api, CAFile: filepath.Join(o.Certificates.Dir, certificates.CAFile)}
	if o.has(moduleServer) {
		var err error
		if r.Service, err = o.Certificates.service(o.Namespace); err != nil {
			return nil, err
		}
	}
	if o.has(moduleWebhooks) {
		r.Webhooks = o.Certificates.Webhooks
	}
	if r.Service == nil && r.Webhooks == "" {
		return nil, nil
	}
	return registration.New(r)
}
