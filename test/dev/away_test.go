package dev_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/process"
)

// proxy passes connections on to a database, until it is cut.
type proxy struct {
	t       *testing.T
	backend string
	address string

	mu       sync.Mutex
	listener net.Listener // nil while it is cut
	conns    []net.Conn
}

// newProxy returns a proxy to the database and the url of the database behind it.
func newProxy(t *testing.T, database string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, backend: u.Host, address: "127.0.0.1:0"}
	p.mend()
	t.Cleanup(p.cut)
	u.Host = p.address
	return p, u.String()
}

// cut ends all connections and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	_ = p.listener.Close()
	p.listener = nil
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// mend lets connections through, at the same address as before.
func (p *proxy) mend() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener, p.address = listener, listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.pass(conn)
		}
	}()
}

func (p *proxy) pass(client net.Conn) {
	database, err := net.Dial("tcp", p.backend)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, database)
	if p.listener == nil { // it was cut meanwhile
		_ = client.Close()
	}
	p.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, database}, {database, client}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			done <- struct{}{}
		}()
	}
	<-done
	_, _ = client.Close(), database.Close()
}

// TestDatabaseAway takes the database away for as long as the log needs to fill
// with errors: a person reads one line that it is gone and one that it is back.
func TestDatabaseAway(t *testing.T) {
	p, address := newProxy(t, pgtest.Empty(t))
	d := startDev(t, "--database-url", address)
	d.Run(t, kubectl.ConfigMapManifest, "create", "-f", "-")
	before := d.log.String()
	p.cut()
	d.waitPrinted("the database is away: ")
	d.Eventually(t, 3*time.Minute, "the log has many errors", func() error {
		log, err := os.ReadFile(filepath.Join(d.dataDir, "ark.log"))
		if err != nil {
			return err
		}
		if n := bytes.Count(log, []byte("\nE")); n < 30 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
	p.mend()
	d.waitPrinted("the database is back")
	d.Eventually(t, time.Minute, "writes work again", func() error {
		_, err := d.Try("", "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"n":"after"}}`)
		return err
	})
	lines := strings.Split(strings.TrimSpace(strings.TrimPrefix(d.log.String(), before)), "\n")
	if len(lines) != 2 {
		t.Errorf("%d lines were printed, want 2:\n%s", len(lines), process.Tail(strings.Join(lines, "\n"), 10))
	}
	if err := d.stop(); err != nil {
		t.Errorf("stop by interrupt: %v", err)
	}
	kubectl.NotContain(t, strings.TrimPrefix(d.log.String(), before), "context canceled")
}

// waitPrinted waits until the program has printed the text.
func (d *dev) waitPrinted(text string) {
	d.t.Helper()
	d.Eventually(d.t, 2*time.Minute, fmt.Sprintf("%q is printed", text), func() error {
		if !strings.Contains(d.log.String(), text) {
			return fmt.Errorf("it is not")
		}
		return nil
	})
}

// TestOneDevADatabase has two of them, with data folders of their own, over one
// database: the second says who is there, until that one is gone.
func TestOneDevADatabase(t *testing.T) {
	database := pgtest.Empty(t)
	first := startDev(t, "--database-url", database)
	second := newDev(t, "--database-url", database)
	second.start()
	if err := second.waitExit(time.Minute); err == nil {
		t.Error("it ended well")
	}
	lines := strings.Split(strings.TrimSpace(second.log.String()), "\n")
	kubectl.Contain(t, lines[len(lines)-1], "ark: ", "another ark dev uses the database", fmt.Sprintf("dev %d since ", first.cmd.Process.Pid))
	first.kill()
	second.start()
	second.waitReady()
}
