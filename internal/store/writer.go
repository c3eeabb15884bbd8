package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pg"
)

// Limits of a batch.
const (
	maxBatchWrites = 512
	maxBatchBytes  = 8 << 20
)

// Pauses between the attempts to write a batch.
const (
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// writer gathers the writes that wait and applies them, one batch at a time.
type writer struct {
	store *Store
	wake  chan struct{}
	// session is the process id on the server that the last batch was written by.
	session atomic.Uint32

	own ownSession // used by run alone

	mu     sync.Mutex
	queue  []*pending
	closed bool
}

// pending is a write that waits for its result.
type pending struct {
	Write
	done chan result
}

type result struct {
	rv  int64
	err error
}

type objectKey struct{ resource, key string }

func newWriter(s *Store) *writer {
	return &writer{store: s, wake: make(chan struct{}, 1)}
}

func (w *writer) add(write Write) (*pending, error) {
	p := &pending{Write: write, done: make(chan result, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	w.queue = append(w.queue, p)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return p, nil
}

// withdraw takes back a write that has not begun.
func (w *writer) withdraw(p *pending) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, p)
	if i < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

// take removes the next batch from the queue, in order. A second write of a key
// stays for a later batch: it counts on the outcome of the first.
func (w *writer) take() []*pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 1 {
		batch := []*pending{w.queue[0]}
		w.queue[0] = nil
		w.queue = w.queue[:0]
		return batch
	}
	var batch, rest []*pending
	seen := make(map[objectKey]struct{}, min(len(w.queue), maxBatchWrites))
	bytes, full := 0, false
	for _, p := range w.queue {
		k := objectKey{p.Resource, p.Key}
		_, taken := seen[k]
		full = full || len(batch) == maxBatchWrites || len(batch) > 0 && bytes+p.size() > maxBatchBytes
		if full || taken {
			rest = append(rest, p)
			continue
		}
		seen[k] = struct{}{}
		bytes += p.size()
		batch = append(batch, p)
	}
	w.queue = rest
	return batch
}

func (w *writer) run(ctx context.Context) {
	defer w.close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for ctx.Err() == nil {
			batch := w.take()
			if len(batch) == 0 {
				break
			}
			w.commit(ctx, batch, time.Now().Add(w.store.options.WriteTimeout))
		}
	}
}

func (w *writer) close() {
	w.own.giveUp()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	fail(w.queue, ErrClosed)
	w.queue = nil
}

func fail(batch []*pending, err error) {
	for _, p := range batch {
		p.done <- result{err: err}
	}
}

// commit brings a batch to its end: every write of it gets a result. What may
// pass (a database that is away, a held lock) is tried again until a time; what the
// server refuses is tried write by write, so that the one at fault fails alone.
func (w *writer) commit(ctx context.Context, writes []*pending, until time.Time) {
	log := klog.FromContext(ctx)
	pause := shortestPause
	for {
		b := newBatch(w.store, writes)
		err := b.apply(ctx, until)
		if err == nil {
			b.deliver()
			return
		}
		switch {
		case errors.Is(err, ErrUnknownOutcome):
			log.Error(err, "Lost the answer to a commit", "writes", len(writes))
			fail(writes, err)
			return
		case ctx.Err() != nil:
			fail(writes, fmt.Errorf("%w: %w", ErrClosed, err))
			return
		case mayPass(err) && time.Now().Before(until):
			log.V(2).Info("Trying a batch of writes again", "writes", len(writes), "err", err)
		case len(writes) > 1 && !mayPass(err):
			log.V(2).Info("Trying the writes of a batch one by one", "writes", len(writes), "err", err)
			// They share the time of one batch: others wait behind them.
			until = time.Now().Add(w.store.options.WriteTimeout)
			for i := range writes {
				w.commit(ctx, writes[i:i+1], until)
			}
			return
		default:
			fail(writes, describe(err))
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause + rand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// mayPass tells whether an error of a batch may be gone at the next attempt.
func mayPass(err error) bool {
	return pg.IsUnavailable(err) || pg.IsConflict(err) || pg.IsTimeout(err) || errors.Is(err, errNotCommitted) ||
		errors.Is(err, errWentBack) || errors.Is(err, context.DeadlineExceeded)
}

// describe makes an error of the database one of Write.
func describe(err error) error {
	if mayPass(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("write: %w", err)
}
