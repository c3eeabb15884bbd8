package process

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Line passes connections on to whichever target is to be used, and can be cut.
type Line struct {
	listener net.Listener
	target   func() (network, address string) // address "": none

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]struct{}
}

// NewLine listens at an address, such as 127.0.0.1:0, until the test has ended. An
// empty target has connections wait for none: they end at once.
func NewLine(t testing.TB, address string, target func() (network, address string)) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	go l.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		l.Cut(true)
	})
	return l
}

// Port is where it listens.
func (l *Line) Port() int { return l.listener.Addr().(*net.TCPAddr).Port }

func (l *Line) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(conn)
	}
}

func (l *Line) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	network, target := l.target()
	if target == "" || !l.keep(conn) {
		return
	}
	defer l.forget(conn)
	upstream, err := net.Dial(network, target)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	if !l.keep(upstream) {
		return
	}
	defer l.forget(upstream)
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may hang up
		done <- struct{}{}
	}
	go pass(upstream, conn)
	go pass(conn, upstream)
	<-done
}

func (l *Line) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.away {
		l.conns[conn] = struct{}{}
	}
	return !l.away
}

func (l *Line) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}

// Cut ends all connections, and lets new ones in again or not.
func (l *Line) Cut(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
	if !away {
		return
	}
	for conn := range l.conns {
		_ = conn.Close()
	}
}
