package workers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/goose"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/postgres"
	"mckinsey.com/ark/internal/store"
)

// link is a TCP connection to the database that can be cut, or swallow everything.
type link struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	down  bool
	// flow is locked while its connections stand still, which those in frozen do.
	flow   *sync.RWMutex
	frozen []*sync.RWMutex
}

// newLink returns a link and the database's url through it.
func newLink(t *testing.T, direct string) (*link, string) {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, target: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), conns: map[net.Conn]struct{}{}, flow: &sync.RWMutex{}}
	done := make(chan struct{})
	go func() { defer close(done); l.serve() }()
	t.Cleanup(func() { _ = listener.Close(); l.set(true); <-done }) // closing ends the loop
	u.Host = listener.Addr().String()
	return l, u.String()
}

func (l *link) serve() {
	var copies sync.WaitGroup
	defer copies.Wait()
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil || !l.keep(client, server) {
			_ = client.Close() // the link is down
			continue
		}
		flow := l.current()
		copies.Go(func() { pipe(client, server, flow) })
		copies.Go(func() { pipe(server, client, flow) })
	}
}

func (l *link) current() *sync.RWMutex {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flow
}

// freeze makes all connections stand still without closing them; new ones work,
// or are refused.
func (l *link) freeze(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = refuse
	l.flow.Lock()
	l.frozen = append(l.frozen, l.flow)
	l.flow = &sync.RWMutex{}
}

// frozenWriter stands still while its flow is locked.
type frozenWriter struct {
	io.Writer
	flow *sync.RWMutex
}

func (w frozenWriter) Write(data []byte) (int, error) {
	w.flow.RLock()
	defer w.flow.RUnlock()
	return w.Writer.Write(data)
}

func pipe(to, from net.Conn, flow *sync.RWMutex) {
	_, _ = io.Copy(frozenWriter{to, flow}, from) // ends when either side is cut
	_ = to.Close()
	_ = from.Close()
}

func (l *link) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if l.down {
			_ = c.Close() // nothing was sent on it
			continue
		}
		l.conns[c] = struct{}{}
	}
	return !l.down
}

// set takes the link down, cutting every connection, or up again.
func (l *link) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	if !down {
		return
	}
	for c := range l.conns {
		_ = c.Close() // may be closed already
	}
	clear(l.conns)
	for _, flow := range l.frozen {
		flow.Unlock()
	}
	l.frozen = nil
}

// The connection breaks again and again, in the middle of everything: every
// Query ends, answered, and none is executed after its result was stored.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	l, throughLink := newLink(t, f.url)
	remote := openFixture(t, throughLink)
	const n = 300
	for i := range n {
		f.create(newQuery(fmt.Sprintf("ns-%d", i%7), fmt.Sprintf("q-%d", i)))
	}
	began := make(chan *arkv1alpha1.Query, 100*n)
	remote.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		if now := f.get(key(q)); now.Status.Phase.IsTerminal() {
			t.Errorf("%s is executed although it is %s", key(q), now.Status.Phase)
		}
		began <- q
		return answer("answer to " + q.Name)
	}), func(o *Options) { o.LeaseDuration, o.MaxAttempts = 3*time.Second, 100 })
	for range 12 {
		for range 15 {
			f.next(began)
		}
		l.set(true)
		f.eventually("the worker noticed", func() bool { return remote.pool.Ping(f.ctx) != nil })
		l.set(false)
	}
	f.eventually("all have ended", func() bool { return len(f.queue()) == 0 })
	page, err := f.store.List(f.ctx, everyQuery, n+1)
	if err != nil || len(page.Objects) != n {
		t.Fatalf("%d queries, %v", len(page.Objects), err)
	}
	for _, o := range page.Objects {
		now, err := f.codec.decode(f.ctx, o.Key, o.RV, o.Body)
		if err != nil {
			t.Fatal(err)
		}
		if s := now.query.Status; s.Phase != arkv1alpha1.QueryDone || s.Response.Content != "answer to "+now.query.Name {
			t.Errorf("%s: %+v", o.Key, s)
		}
	}
}

// The server is stopped while queries are executed and started again: their
// results are stored then, and none is executed twice.
func TestDatabaseRestart(t *testing.T) {
	t.Parallel()
	server, dir := startServer(t, "")
	f := openFixture(t, server.URL())
	const n = 10
	for i := range n {
		f.create(newQuery("team", fmt.Sprintf("q-%d", i)))
	}
	g := newGate()
	f.start(g, func(o *Options) { o.LeaseDuration = deadline })
	for range n {
		f.next(g.began)
	}
	if err := server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range n {
		g.open <- struct{}{}
	}
	startServer(t, dir)
	f.eventually("the database is back", func() bool { return f.pool.Ping(f.ctx) == nil })
	f.queueEmpty()
	for i := range n {
		checkEnd(t, f.get(fmt.Sprintf("team/q-%d", i)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	}
	if len(g.began) > 0 {
		t.Errorf("%d were executed again", len(g.began))
	}
	f.outcomes(f.get("team/q-0"), "done")
}

// startServer runs a PostgreSQL of the test's own, on a new directory if none is
// given, with all migrations.
func startServer(t *testing.T, dir string) (*postgres.Server, string) {
	t.Helper()
	ctx := context.Background()
	if dir == "" {
		parent, err := os.MkdirTemp("", "ark-workers-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(parent); err != nil {
				t.Error(err)
			}
		})
		if err := os.Chmod(parent, 0o755); err != nil { // the server runs as another user
			t.Fatal(err)
		}
		dir = filepath.Join(parent, "data")
	}
	server, err := postgres.Start(ctx, postgres.Options{
		DataDir: dir, Database: "ark", DieWithParent: true, NoSync: true, Settings: map[string]string{"fsync": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if _, err := goose.Up(ctx, server.URL()); err != nil {
		t.Fatal(err)
	}
	return server, dir
}

// lostAnswers is a store whose answers are lost now and then, after the write.
type lostAnswers struct {
	Writer
	mu    sync.Mutex
	calls int
}

func (l *lostAnswers) Write(ctx context.Context, w store.Write) (int64, error) {
	rv, err := l.Writer.Write(ctx, w)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls++; err == nil && l.calls%2 == 0 {
		return 0, errors.Join(store.ErrUnknownOutcome, errors.New("the answer was lost"))
	}
	return rv, err
}

// A write that did happen although its answer was lost is recognised: it is
// neither repeated nor reported as lost.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	f := openFixture(t, pgtest.URL(t))
	f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		return answer("answer to " + q.Name)
	}), func(o *Options) { o.Store = &lostAnswers{Writer: f.store} })
	const n = 20
	var all []*arkv1alpha1.Query
	for i := range n {
		all = append(all, f.create(newQuery("team", fmt.Sprintf("q-%d", i))))
	}
	f.queueEmpty()
	for _, q := range all {
		checkEnd(t, f.get(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
		f.outcomes(q, "done")
	}
}
