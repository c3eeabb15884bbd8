package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// balancer spreads connections over the replicas that say that they are ready, as
// a cluster's Service does.
type balancer struct {
	*proxy

	mu    sync.Mutex
	ports []int
	next  int
}

func newBalancer(t testing.TB, ports ...int) *balancer {
	t.Helper()
	b := &balancer{}
	b.proxy = newProxy(t, b.pick)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go b.look(ctx, ports)
	return b
}

func (b *balancer) pick() (network, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ports) == 0 {
		return "tcp", ""
	}
	b.next++
	return "tcp", fmt.Sprintf("127.0.0.1:%d", b.ports[b.next%len(b.ports)])
}

// look asks all replicas, all the time.
func (b *balancer) look(ctx context.Context, ports []int) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} //nolint:gosec // as a kubelet does
	for ctx.Err() == nil {
		var ready []int
		for _, port := range ports {
			res, err := client.Get(address(port) + "/readyz")
			if err != nil {
				continue
			}
			if res.StatusCode == http.StatusOK {
				ready = append(ready, port)
			}
			_ = res.Body.Close()
		}
		b.mu.Lock()
		b.ports = ready
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
