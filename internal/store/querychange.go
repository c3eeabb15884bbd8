package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// ResourceQueries is the resource whose writes carry a QueryChange.
const ResourceQueries = "queries.ark.mckinsey.com"

// QueryChange is what the write of a Query does beside the object itself.
type QueryChange struct {
	// Row are the columns of the Query; nil: it is deleted.
	Row *QueryRow
	// Effect on the queue.
	Effect Effect
}

// QueryRow are the columns of a Query: for views, selectors and due dates. Zero
// times stand for null.
type QueryRow struct {
	Namespace, Name, UID      string
	Phase                     string
	TargetType, TargetName    string
	SessionID, ConversationID string
	CreatedAt                 time.Time
	CompletedAt, ExpiresAt    time.Time
	PromptTokens              int64
	CompletionTokens          int64
	TotalTokens, CachedTokens int64
}

// Effect is what a write of a Query does to the queue; the zero value is
// nothing. Cancel may come together with Enqueue or Reschedule.
type Effect struct {
	// Enqueue puts the Query in the queue; nil: it does not.
	Enqueue *QueueEntry
	// Remove takes it out, whether it waits or is being executed.
	Remove bool
	// Reschedule brings its entry in step with another priority or timeout, as long
	// as it waits; nil: they are the same.
	Reschedule *QueueEntry
	// Cancel flags its entry: it is to be ended without (further) execution.
	Cancel bool
}

// QueueEntry is what the queue knows of a Query.
type QueueEntry struct {
	UID, Namespace string
	// Rank is minus the priority: -10 to 10, lower goes first.
	Rank int16
	// Wait is the longest wait for a worker.
	Wait time.Duration
}

// projectQueries brings the columns of Queries in step.
func (b *batch) projectQueries(ctx context.Context, t *pg.Trip) error {
	var put db.PutQueriesParams
	var gone []string
	for _, i := range b.accepted {
		w := b.writes[i]
		switch {
		case w.Query == nil:
		case w.Query.Row == nil:
			gone = append(gone, w.Key)
		default:
			w.Query.Row.appendTo(&put, w.Key)
		}
	}
	if len(put.Keys) > 0 {
		err := t.Add(func(e pg.Executor) error { return b.store.q.PutQueries(ctx, e, put) })
		if err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		return t.Add(func(e pg.Executor) error { return b.store.q.DeleteQueries(ctx, e, gone) })
	}
	return nil
}

func (r *QueryRow) appendTo(put *db.PutQueriesParams, key string) {
	put.Keys = append(put.Keys, key)
	put.Namespaces = append(put.Namespaces, sanitize(r.Namespace))
	put.Names = append(put.Names, sanitize(r.Name))
	put.Uids = append(put.Uids, sanitize(r.UID))
	put.Phases = append(put.Phases, sanitize(r.Phase))
	put.TargetTypes = append(put.TargetTypes, sanitize(r.TargetType))
	put.TargetNames = append(put.TargetNames, sanitize(r.TargetName))
	put.SessionIds = append(put.SessionIds, sanitize(r.SessionID))
	put.ConversationIds = append(put.ConversationIds, sanitize(r.ConversationID))
	put.CreatedAt = append(put.CreatedAt, r.CreatedAt)
	put.CompletedAt = append(put.CompletedAt, r.CompletedAt)
	put.ExpiresAt = append(put.ExpiresAt, r.ExpiresAt)
	put.PromptTokens = append(put.PromptTokens, r.PromptTokens)
	put.CompletionTokens = append(put.CompletionTokens, r.CompletionTokens)
	put.TotalTokens = append(put.TotalTokens, r.TotalTokens)
	put.CachedTokens = append(put.CachedTokens, r.CachedTokens)
}

// queueChanges are the effects of a batch.
type queueChanges struct {
	remove, cancel []string
	enqueue        db.EnqueueParams
	reschedule     db.RescheduleParams
	// tell the holders of leases: others did something to their entries. What a
	// holder did itself it knows.
	tell bool
	// wake idle workers: entries that wait were locked, and a worker that looked
	// meanwhile has passed them over.
	wake bool
}

func (c *queueChanges) add(w *pending) {
	effect := w.Query.Effect
	if e := effect.Enqueue; e != nil {
		e.appendTo(&c.enqueue, w.Key)
	}
	if e := effect.Reschedule; e != nil {
		c.reschedule.Keys = append(c.reschedule.Keys, w.Key)
		c.reschedule.Namespaces = append(c.reschedule.Namespaces, sanitize(e.Namespace))
		c.reschedule.Ranks = append(c.reschedule.Ranks, e.Rank)
		c.reschedule.WaitMs = append(c.reschedule.WaitMs, e.Wait.Milliseconds())
		c.wake = true
	}
	if effect.Remove {
		c.remove = append(c.remove, w.Key)
	}
	if effect.Cancel {
		c.cancel = append(c.cancel, w.Key)
	}
	c.tell = c.tell || w.Lease == nil && (effect.Remove || effect.Cancel)
	c.wake = c.wake || w.Lease != nil && w.Lease.Worker == uuid.Nil
}

// changeQueue applies the effects: removals first, then new entries and new
// places, then cancellations, which may concern them.
func (b *batch) changeQueue(ctx context.Context, t *pg.Trip) error {
	c := queueChanges{enqueue: db.EnqueueParams{Now: b.store.clock.Now()}}
	for _, i := range b.accepted {
		if w := b.writes[i]; w.Query != nil {
			c.add(w)
		}
	}
	q := b.store.q
	for _, step := range []struct {
		needed bool
		call   func(pg.Executor) error
	}{
		{len(c.remove) > 0, func(e pg.Executor) error { return q.Dequeue(ctx, e, c.remove) }},
		{len(c.enqueue.Keys) > 0, func(e pg.Executor) error { return q.Enqueue(ctx, e, c.enqueue) }},
		{len(c.reschedule.Keys) > 0, func(e pg.Executor) error { return q.Reschedule(ctx, e, c.reschedule) }},
		{len(c.cancel) > 0, func(e pg.Executor) error { return q.CancelQueued(ctx, e, c.cancel) }},
		{c.tell, func(e pg.Executor) error { return q.NotifyLeases(ctx, e) }},
		{c.wake, func(e pg.Executor) error { return q.NotifyQueue(ctx, e) }},
	} {
		if !step.needed {
			continue
		}
		if err := t.Add(step.call); err != nil {
			return err
		}
	}
	return nil
}

func (e *QueueEntry) appendTo(enqueue *db.EnqueueParams, key string) {
	enqueue.Keys = append(enqueue.Keys, key)
	enqueue.Uids = append(enqueue.Uids, sanitize(e.UID))
	enqueue.Namespaces = append(enqueue.Namespaces, sanitize(e.Namespace))
	enqueue.Ranks = append(enqueue.Ranks, e.Rank)
	enqueue.WaitMs = append(enqueue.WaitMs, e.Wait.Milliseconds())
}

// sanitize makes a text acceptable to a column: what came from a model may hold
// NUL or bytes that are no UTF-8. The object itself keeps its bytes.
func sanitize(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
