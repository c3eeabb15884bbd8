package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// eager is how often a probe is made until it succeeds for the first time.
const eager = 200 * time.Millisecond

// probe looks after the running process until ctx ends.
func (c *instance) probe(ctx context.Context) {
	if p := c.spec.StartupProbe; p != nil {
		if !c.startup(ctx, p) {
			return
		}
		c.set(func() { c.started, c.ready = true, c.spec.ReadinessProbe == nil })
	}
	var all sync.WaitGroup
	if p := c.spec.ReadinessProbe; p != nil {
		all.Go(func() {
			c.repeat(ctx, p, func(err error) bool {
				c.set(func() { c.ready = err == nil && c.state.Running != nil })
				return true
			}, "Readiness")
		})
	}
	if p := c.spec.LivenessProbe; p != nil {
		all.Go(func() {
			c.repeat(ctx, p, func(err error) bool {
				if err != nil {
					c.unhealthy("Liveness")
				}
				return err == nil
			}, "Liveness")
		})
	}
	all.Wait()
}

// startup waits until the process has started; false: it was given up.
func (c *instance) startup(ctx context.Context, p *corev1.Probe) (started bool) {
	c.repeat(ctx, p, func(err error) bool {
		if started = err == nil; !started {
			c.unhealthy("Startup")
		}
		return false
	}, "Startup")
	return started
}

// unhealthy ends the process, which is started again.
func (c *instance) unhealthy(probe string) {
	c.pod.warn("Killing", "Container %s failed %s probe, will be restarted", c.spec.Name, probe)
	go c.end(c.pod.grace())
}

// repeat makes a probe until ctx ends or verdict, which is asked whenever the
// thresholds are reached, says that it is enough.
func (c *instance) repeat(ctx context.Context, p *corev1.Probe, verdict func(error) bool, kind string) {
	wait := time.Duration(p.InitialDelaySeconds) * time.Second
	var failures, successes int32
	succeeded := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		err := c.check(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures, successes = failures+1, 0
			if succeeded || failures == 1 {
				c.pod.warn("Unhealthy", "%s probe failed: %v", kind, err)
			}
		} else {
			failures, successes, succeeded = 0, successes+1, true
		}
		if (err != nil && failures >= max(p.FailureThreshold, 1)) || (err == nil && successes >= max(p.SuccessThreshold, 1)) {
			if !verdict(err) {
				return
			}
		}
		wait = time.Duration(max(p.PeriodSeconds, 1)) * time.Second
		if !succeeded && kind == "Readiness" {
			wait = eager
		}
	}
}

// check makes a probe once.
func (c *instance) check(ctx context.Context, p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	switch {
	case p.HTTPGet != nil:
		return c.get(ctx, p.HTTPGet)
	case p.TCPSocket != nil:
		port, err := c.port(p.TCPSocket.Port)
		if err != nil {
			return err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(c.pod.network.IP, port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return errors.New("only httpGet and tcpSocket are supported here")
}

// transport trusts anybody, as a kubelet does.
var transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // see above

// get asks the container something by HTTP.
func (c *instance) get(ctx context.Context, action *corev1.HTTPGetAction) error {
	port, err := c.port(action.Port)
	if err != nil {
		return err
	}
	host, scheme := action.Host, "http"
	if host == "" {
		host = c.pod.network.IP
	}
	if action.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+action.Path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/1.37")
	for _, header := range action.HTTPHeaders {
		request.Header.Add(header.Name, header.Value)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 10<<10)) // only the code counts
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", response.StatusCode)
	}
	return nil
}

// port is the number of a port that may have a name.
func (c *instance) port(port intstr.IntOrString) (string, error) {
	if port.Type == intstr.Int {
		return port.String(), nil
	}
	for _, p := range c.spec.Ports {
		if p.Name == port.StrVal {
			return strconv.Itoa(int(p.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("the container has no port %s", port.StrVal)
}
