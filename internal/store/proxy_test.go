package store

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pgtest"
)

// cut says where the proxy cuts the connection of the next commit.
type cut int

const (
	never        cut = iota
	beforeCommit     // the server never sees it
	afterCommit      // the server does it, the answer is lost
	forGood          // and nobody reaches the server any more
)

// proxy stands between a pool and the server, and cuts connections at commits.
type proxy struct {
	t        testing.TB
	listener net.Listener
	server   string
	network  string

	mu    sync.Mutex
	cut   cut
	conns map[net.Conn]struct{}
}

// behindProxy returns a pool whose connections go through a proxy, and one whose
// connections do not.
func behindProxy(t testing.TB) (*proxy, *pgxpool.Pool, *pgxpool.Pool) {
	t.Helper()
	direct := pgtest.DB(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := direct.Config().Copy()
	p := &proxy{t: t, listener: listener, conns: map[net.Conn]struct{}{}}
	p.network, p.server = pgNetwork(config.ConnConfig.Host, config.ConnConfig.Port)
	go p.accept()
	t.Cleanup(func() { _ = listener.Close(); p.hangUp() })
	address := listener.Addr().(*net.TCPAddr)
	config.ConnConfig.Host, config.ConnConfig.Port = "127.0.0.1", uint16(address.Port)
	config.ConnConfig.Fallbacks = nil
	config.ConnConfig.TLSConfig = nil
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // statements are sent as text
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return p, pool, direct
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.network, p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		go p.forward(client, server)
		go func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		}()
	}
}

// forward passes on what the client sends. The commit is in the last message of a
// batch.
func (p *proxy) forward(client, server net.Conn) {
	defer func() { _ = client.Close(); _ = server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("commit\x00")) {
			switch p.takeCut() {
			case beforeCommit:
				return
			case forGood:
				_ = p.listener.Close()
				p.hangUp(server)
				_, _ = server.Write(buffer[:n])
				_, _ = server.Read(make([]byte, 1))
				return
			case afterCommit:
				_ = client.Close()
				// The server answers when it is done.
				_, _ = server.Write(buffer[:n])
				_, _ = server.Read(make([]byte, 1))
				return
			}
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) cutNext(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = c
}

func (p *proxy) takeCut() cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cut
	p.cut = never
	return c
}

// hangUp closes all connections but some.
func (p *proxy) hangUp(except ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if !slices.Contains(except, conn) {
			_ = conn.Close()
		}
	}
	p.conns = map[net.Conn]struct{}{}
}
