package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Errors of Write, beside *Conflict. They are wrapped: use errors.Is.
var (
	// ErrLeaseLost: the lease that fences the write is not held; nothing was written.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnavailable: the database cannot be reached or cannot serve; nothing was written.
	ErrUnavailable = errors.New("database unavailable")
	// ErrUnknownOutcome: whether the write happened, or will yet happen, is not known.
	ErrUnknownOutcome = errors.New("outcome of the write is unknown")
	// ErrClosed: the Store was closed; nothing was written.
	ErrClosed = errors.New("store is closed")
)

// Write is one change of one object, applied together with others in one
// transaction; each gets its own result.
type Write struct {
	// Resource is the resource and group of the object, as in queries.ark.mckinsey.com.
	Resource string
	// Key of the object within the resource: namespace/name, or name.
	Key string
	// Expect is the revision that must be current; 0: the key must not exist.
	Expect int64
	// Body is the object, encoded and transformed; nil: it is deleted.
	Body []byte
	// ExpiresAt is when the object is deleted by itself; zero: never.
	ExpiresAt time.Time
	// Query is what the write of a Query does to its columns and to the queue; nil
	// for other resources.
	Query *QueryChange
	// Lease fences the write of a worker, or of who looks after the queue: if the
	// entry is not held so any more, nothing is written.
	Lease *Lease
}

// Lease names a lease on a queue entry, as its holder knows it. Without a worker it
// says that the entry waits, as it did after that attempt: it fences the write of
// who returned it against a worker that has taken it up since.
type Lease struct {
	ID      int64
	Worker  uuid.UUID
	Attempt int32
}

// Conflict is the error of a write whose expected revision is not the current
// one. It carries what stands there instead, so that a retry need not read.
type Conflict struct {
	Resource, Key string
	// RV is the current revision; 0: there is no such object.
	RV   int64
	Body []byte
}

func (c *Conflict) Error() string {
	if c.RV == 0 {
		return fmt.Sprintf("conflict: %s %q does not exist", c.Resource, c.Key)
	}
	return fmt.Sprintf("conflict: %s %q is at revision %d", c.Resource, c.Key, c.RV)
}

// Write makes a change and returns its revision. The errors are *Conflict,
// ErrLeaseLost, ErrUnavailable, ErrUnknownOutcome, ErrClosed, or say what is
// wrong with the write. If ctx ends first, the error is that of ctx, together
// with ErrUnknownOutcome if the write may still happen.
func (s *Store) Write(ctx context.Context, w Write) (int64, error) {
	if err := w.validate(); err != nil {
		return 0, err
	}
	p, err := s.writer.add(w)
	if err != nil {
		return 0, err
	}
	late := time.NewTimer(s.options.WriteTimeout)
	defer late.Stop()
	for {
		select {
		case r := <-p.done:
			return r.rv, r.err
		case <-ctx.Done():
			if s.writer.withdraw(p) {
				return 0, fmt.Errorf("gave up before the write began: %w", ctx.Err())
			}
			return 0, fmt.Errorf("%w: gave up while it was under way: %w", ErrUnknownOutcome, ctx.Err())
		case <-late.C:
			// A write that is under way has its own bound, and an outcome.
			if s.writer.withdraw(p) {
				return 0, fmt.Errorf("%w: write could not begin within %s", ErrUnavailable, s.options.WriteTimeout)
			}
		}
	}
}

func (w *Write) validate() error {
	switch {
	case w.Resource == "":
		return errors.New("write without a resource")
	case w.Body == nil && w.Expect == 0:
		return fmt.Errorf("delete of %s %q without an expected revision", w.Resource, w.Key)
	case w.Expect < 0:
		return fmt.Errorf("write of %s %q with a negative revision", w.Resource, w.Key)
	}
	return nil
}

// size is what the write counts against the limit of a batch.
func (w *Write) size() int { return len(w.Body) + len(w.Key) }
