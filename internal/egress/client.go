package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

const (
	dialTimeout  = 10 * time.Second
	maxRedirects = 5
	// A worker runs some thousands of queries, most of them waiting for the
	// same few providers: the usual two idle connections a host would make each
	// of them pay for a handshake.
	maxIdleConns        = 1024
	maxIdleConnsPerHost = 256
	idleConnTimeout     = 90 * time.Second
	maxHeaderBytes      = 256 << 10
)

// Clients are the HTTP clients of a process, safe for concurrent use. Each has
// its own pool of connections: one that was dialled under the laxer rule must
// not serve a request under the stricter one.
type Clients struct {
	// Model is for endpoints that are given credentials: plain http is refused
	// but for hosts of the cluster, loopback and listed private ranges.
	Model *http.Client
	// Tool is for any http or https URL.
	Tool *http.Client
}

// NewClients makes clients that dial only what the policy allows. Proxies named
// by the environment are not used: a proxy resolves names itself, so that the
// policy could not be applied. The log says so where one is set.
func NewClients(ctx context.Context, p Policy) *Clients {
	if ignored := proxyVariables(); len(ignored) > 0 {
		klog.FromContext(ctx).Info("Requests to models and tools do not use the proxy of the environment: the egress policy is applied to the addresses that are dialled", "variables", ignored)
	}
	return &Clients{
		Model: &http.Client{Transport: tlsRequired{p.newPool()}, CheckRedirect: checkRedirect},
		Tool:  &http.Client{Transport: p.newPool(), CheckRedirect: checkRedirect},
	}
}

// CloseIdleConnections ends the connections that no request uses.
func (c *Clients) CloseIdleConnections() {
	c.Model.CloseIdleConnections()
	c.Tool.CloseIdleConnections()
}

func (p Policy) newPool() *http.Transport {
	return &http.Transport{
		DialContext:            p.dial,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		IdleConnTimeout:        idleConnTimeout,
		TLSHandshakeTimeout:    dialTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// dial resolves, checks and connects. The check stands in the control hook,
// which sees each address that is really about to be connected to.
func (p Policy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	credentialsInClear := ctx.Value(plaintextKey{}) != nil
	dialer := net.Dialer{
		Timeout: dialTimeout,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("%w: address %q: %w", ErrRefused, resolved, err)
			}
			if err := p.Check(host, target.Addr()); err != nil {
				return err
			}
			if credentialsInClear {
				return p.checkPlaintext(host, target.Addr())
			}
			return nil
		},
	}
	return dialer.DialContext(ctx, network, address)
}

type plaintextKey struct{}

// tlsRequired marks requests that would send credentials in the clear, for the
// check of the address that they are sent to. Connections are pooled by scheme
// and host, so an unmarked dial never serves a marked request.
type tlsRequired struct{ pool *http.Transport }

func (t tlsRequired) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		req = req.WithContext(context.WithValue(req.Context(), plaintextKey{}, true))
	}
	return t.pool.RoundTrip(req)
}

// CloseIdleConnections is what http.Client looks for.
func (t tlsRequired) CloseIdleConnections() { t.pool.CloseIdleConnections() }

// Headers that may follow a redirect to another host: what the request is, not
// who makes it.
var portableHeaders = []string{"Accept", "Accept-Language", "Content-Type", "User-Agent"}

// checkRedirect keeps credentials from following a redirect to another host or
// into the clear. net/http drops only the headers that it knows; here any
// header may hold a secret, and the body, which a 307 or 308 sends again, holds
// the conversation.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	previous := via[len(via)-1].URL
	if previous.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: redirect from https to %s", ErrRefused, req.URL.Scheme)
	}
	req.Header.Del("Referer") // The URL may hold a secret.
	if req.URL.Host == via[0].URL.Host {
		return nil
	}
	if req.Body != nil && req.Body != http.NoBody {
		return fmt.Errorf("%w: redirect of a request with a body from %s to %s", ErrRefused, via[0].URL.Host, req.URL.Host)
	}
	for name := range req.Header {
		if !slices.Contains(portableHeaders, name) {
			req.Header.Del(name)
		}
	}
	return nil
}

// proxyVariables returns the names of the proxy settings of the environment.
func proxyVariables() []string {
	var set []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if os.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}
