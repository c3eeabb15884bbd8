package e2e_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy passes connections on to whichever target is to be used, and can be cut.
type proxy struct {
	listener net.Listener
	target   func() (network, address string) // address "": none

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]struct{}
}

func newProxy(t testing.TB, target func() (network, address string)) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut(true)
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(conn)
	}
}

func (p *proxy) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	network, address := p.target()
	if address == "" || !p.keep(conn) {
		return
	}
	defer p.forget(conn)
	upstream, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	if !p.keep(upstream) {
		return
	}
	defer p.forget(upstream)
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may hang up
		done <- struct{}{}
	}
	go pass(upstream, conn)
	go pass(conn, upstream)
	<-done
}

func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.away {
		p.conns[conn] = struct{}{}
	}
	return !p.away
}

func (p *proxy) forget(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// cut ends all connections, and lets new ones in again or not.
func (p *proxy) cut(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	if !away {
		return
	}
	for conn := range p.conns {
		_ = conn.Close()
	}
}
