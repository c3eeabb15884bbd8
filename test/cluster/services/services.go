// Package services leads connections to the addresses of Services to the Pods, or
// whatever else, behind them, and answers questions for their names.
package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"mckinsey.com/ark/test/cluster/network"
)

// Proxy holds the addresses of all Services.
type Proxy struct {
	services listers.ServiceLister
	slices   discoverylisters.EndpointSliceLister

	mu     sync.Mutex
	open   map[string]*listener // by address and port
	owners map[string]int       // listeners of each address
}

// listener is one port of one Service.
type listener struct {
	net.Listener
	mu        sync.Mutex
	namespace string
	service   string
	port      string // its name
}

// Start follows the Services until ctx ends.
func Start(ctx context.Context, client kubernetes.Interface, dnsIP string) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	p := &Proxy{
		services: factory.Core().V1().Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
		open: map[string]*listener{}, owners: map[string]int{},
	}
	informer := factory.Core().V1().Services().Informer()
	sync := func(any) { p.sync(ctx) }
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: sync, UpdateFunc: func(_, object any) { sync(object) }, DeleteFunc: sync,
	}); err != nil {
		return fmt.Errorf("follow Services: %w", err)
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced, factory.Discovery().V1().EndpointSlices().Informer().HasSynced) {
		return fmt.Errorf("follow Services: %w", ctx.Err())
	}
	p.sync(ctx)
	context.AfterFunc(ctx, p.close)
	return p.serveDNS(ctx, dnsIP)
}

// sync opens what is missing and closes what nobody wants any more.
func (p *Proxy) sync(ctx context.Context) {
	all, err := p.services.List(labels.Everything())
	if err != nil {
		klog.ErrorS(err, "The Services could not be listed")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[string]bool{}
	for _, s := range all {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone {
			continue
		}
		for _, port := range s.Spec.Ports {
			if port.Protocol != corev1.ProtocolTCP {
				continue
			}
			address := net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(port.Port)))
			wanted[address] = true
			if err := p.listen(ctx, address, s, port.Name); err != nil {
				klog.ErrorS(err, "A Service is not served", "service", klog.KObj(s))
			}
		}
	}
	for address, l := range p.open {
		if !wanted[address] {
			p.drop(address, l)
		}
	}
}

func (p *Proxy) listen(ctx context.Context, address string, s *corev1.Service, port string) error {
	if l, ok := p.open[address]; ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.namespace, l.service, l.port = s.Namespace, s.Name, port
		return nil
	}
	ip := s.Spec.ClusterIP
	if p.owners[ip] == 0 {
		if err := network.AddAddress(ip); err != nil {
			return err
		}
	}
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.owners[ip]++
	l := &listener{Listener: inner, namespace: s.Namespace, service: s.Name, port: port}
	p.open[address] = l
	go p.accept(ctx, l)
	return nil
}

func (p *Proxy) drop(address string, l *listener) {
	_ = l.Close() // its connections go on
	delete(p.open, address)
	ip, _, _ := net.SplitHostPort(address)
	if p.owners[ip]--; p.owners[ip] == 0 {
		delete(p.owners, ip)
		if err := network.RemoveAddress(ip); err != nil {
			klog.ErrorS(err, "The address of a Service is left")
		}
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, l := range p.open {
		p.drop(address, l)
	}
}

func (p *Proxy) accept(ctx context.Context, l *listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go p.splice(ctx, l, conn)
	}
}

// splice connects with a ready endpoint of the Service.
func (p *Proxy) splice(ctx context.Context, l *listener, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	l.mu.Lock()
	namespace, service, port := l.namespace, l.service, l.port
	l.mu.Unlock()
	ready := p.endpoints(namespace, service, port, false)
	if len(ready) == 0 {
		reset(conn)
		return
	}
	upstream, err := new(net.Dialer).DialContext(ctx, "tcp", ready[rand.IntN(len(ready))]) //nolint:gosec // any will do
	if err != nil {
		reset(conn)
		return
	}
	defer func() { _ = upstream.Close() }()
	defer context.AfterFunc(ctx, func() { _ = errors.Join(conn.Close(), upstream.Close()) })()
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may hang up
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go pass(upstream, conn)
	go pass(conn, upstream)
	<-done
	<-done
}

// reset ends a connection as if nobody listened.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// endpoints are the addresses behind a port of a Service; any: also those that are
// not ready.
func (p *Proxy) endpoints(namespace, service, port string, any bool) []string {
	slices, err := p.slices.EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service}))
	if err != nil {
		return nil
	}
	var all []string
	for _, slice := range slices {
		number := ""
		for _, sp := range slice.Ports {
			if ptr.Deref(sp.Name, "") == port && sp.Port != nil {
				number = strconv.Itoa(int(*sp.Port))
			}
		}
		for _, e := range slice.Endpoints {
			if any || ptr.Deref(e.Conditions.Ready, true) {
				for _, address := range e.Addresses {
					all = append(all, net.JoinHostPort(address, number))
				}
			}
		}
	}
	return all
}
