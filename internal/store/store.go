// Package store is the one write path over gen/db, and the one reader of its
// events. Writes of all callers are gathered into transactions that are ordered by
// the lock on the revision row; each change is an event, read once a process and
// fanned out in memory. It knows bytes, keys and revisions, not Kubernetes objects.
package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// Defaults and limits of Options.
const (
	DefaultRetention        = 10 * time.Minute
	ShortestRetention       = 75 * time.Second
	DefaultWriteTimeout     = 15 * time.Second
	DefaultPollInterval     = time.Second
	DefaultProgressInterval = 10 * time.Second

	// eagerInterval is the shortest pause between two words on progress.
	eagerInterval = 10 * time.Millisecond
)

// Options of a Store. The zero value is good.
type Options struct {
	// Listen is where hints are listened for; nil: where the pool connects to. It
	// must not be behind a transaction pooler.
	Listen *pgx.ConnConfig
	// Clock for expiry, retention and the times of events; nil: the real one.
	Clock clock.WithTicker
	// Retention is how long past states and events can be read; 0:
	// DefaultRetention, never under ShortestRetention. Negative: for ever.
	Retention time.Duration
	// WriteTimeout bounds the wait of a write for a database that is away; 0: DefaultWriteTimeout.
	WriteTimeout time.Duration
	// PollInterval is the backstop: how often events are looked for without a
	// hint, and objects whose time has come; 0: DefaultPollInterval.
	PollInterval time.Duration
	// ProgressInterval is how often subscriptions are told how far they are; 0:
	// DefaultProgressInterval.
	ProgressInterval time.Duration
	// EagerProgress tells them soon after each advance too, so that a consistent
	// list from a watch cache need not wait.
	EagerProgress bool
}

func (o Options) withDefaults(pool *pgxpool.Pool) Options {
	if o.Listen == nil {
		o.Listen = pool.Config().ConnConfig
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Retention > 0 {
		o.Retention = max(o.Retention, ShortestRetention)
	}
	o.WriteTimeout = positive(o.WriteTimeout, DefaultWriteTimeout)
	o.PollInterval = positive(o.PollInterval, DefaultPollInterval)
	o.ProgressInterval = positive(o.ProgressInterval, DefaultProgressInterval)
	return o
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Store reads and writes objects in PostgreSQL.
type Store struct {
	options Options
	pool    *pgxpool.Pool
	q       *db.Queries
	clock   clock.WithTicker
	writer  *writer
	reader  *reader
	hints   hints
	// unbounded: sessions do not end transactions that stand still, so each batch
	// says that they are to.
	unbounded bool
	// spares: the writer and the reader each keep a session for themselves.
	spares bool

	// highest is the greatest revision that this process has handed out: the
	// database must never be behind it.
	highest atomic.Int64

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open starts a Store over a pool, until ctx ends or Close is called. It does
// not wait for the database: until that is there, reads and writes fail with
// errors that say so.
func Open(ctx context.Context, pool *pgxpool.Pool, o Options) *Store {
	ctx, stop := context.WithCancel(ctx)
	o = o.withDefaults(pool)
	s := &Store{options: o, pool: pool, q: db.New(), clock: o.Clock, stop: stop,
		unbounded: !pg.BoundsTransactions(pool), spares: pool.Config().MaxConns >= smallestPool}
	s.writer = newWriter(s)
	s.reader = newReader(s)
	s.goes(ctx, "writer", s.writer.run)
	s.goes(ctx, "reader", s.reader.run)
	s.goes(ctx, "listener", s.listen)
	s.goes(ctx, "expiry", s.expireLoop)
	if o.Retention > 0 {
		s.goes(ctx, "compaction", s.compactLoop)
	}
	return s
}

func (s *Store) goes(ctx context.Context, name string, run func(context.Context)) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("store").WithName(name))
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		run(ctx)
	}()
}

// Close ends the Store's work and waits for it. Writes that wait fail with
// ErrClosed, subscriptions end. The pool stays open: it is the caller's.
func (s *Store) Close() {
	s.stop()
	s.done.Wait()
}

// Ping tells whether the database answers and has the schema.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.GetRevision(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

func (s *Store) listen(ctx context.Context) {
	channels := []string{pg.ChannelEvents, pg.ChannelQueue, pg.ChannelLeases}
	pg.ListenToAll(ctx, s.options.Listen, channels, func(channel string, from uint32) {
		if channel != pg.ChannelEvents {
			s.hints.tell(channel)
		}
		switch {
		case channel == pg.Connected:
			s.reader.suspect.Store(true)
		case channel != pg.ChannelEvents:
			return
		case from == s.writer.session.Load():
			return // the writer tells the reader itself, and sooner
		}
		s.reader.kick()
	})
}

// handedOut records that a revision was given to somebody.
func (s *Store) handedOut(rv int64) {
	for {
		highest := s.highest.Load()
		if rv <= highest || s.highest.CompareAndSwap(highest, rv) {
			return
		}
	}
}

// bounded limits a statement, or a few, that nobody waits for with a deadline of
// his own: a server that vanished does not answer, nor close the connection.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, pg.DefaultStatementTimeout)
}
