package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	proc "mckinsey.com/ark/test/process"
)

// balancer spreads connections over the replicas that say that they are ready, as
// a cluster's Service does.
type balancer struct {
	*proc.Line
	ready func(client *http.Client, port int) bool

	mu    sync.Mutex
	ports []int
	next  int
}

func newBalancer(t testing.TB, ports ...int) *balancer {
	t.Helper()
	return newBalancerBy(t, func(client *http.Client, port int) bool {
		res, err := client.Get(address(port) + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, ports...)
}

func newBalancerBy(t testing.TB, ready func(*http.Client, int) bool, ports ...int) *balancer {
	t.Helper()
	b := &balancer{ready: ready}
	b.Line = proc.NewLine(t, "127.0.0.1:0", b.pick)
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
			if b.ready(client, port) {
				ready = append(ready, port)
			}
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
