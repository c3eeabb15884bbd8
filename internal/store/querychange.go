package store

import (
	"context"
	"strings"
	"time"

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
// nothing. Enqueue and Cancel may come together.
type Effect struct {
	// Enqueue puts the Query in the queue; nil: it does not.
	Enqueue *QueueEntry
	// Remove takes it out, whether it waits or is being executed.
	Remove bool
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

// changeQueue applies the effects: removals first, then new entries, then
// cancellations, which may concern them. The holders of leases are told of what
// others did to their entries; what a holder did itself it knows.
func (b *batch) changeQueue(ctx context.Context, t *pg.Trip) error {
	enqueue := db.EnqueueParams{Now: b.store.clock.Now()}
	var remove, cancel []string
	tell := false
	for _, i := range b.accepted {
		w := b.writes[i]
		if w.Query == nil {
			continue
		}
		effect := w.Query.Effect
		if effect.Enqueue != nil {
			effect.Enqueue.appendTo(&enqueue, w.Key)
		}
		if effect.Remove {
			remove = append(remove, w.Key)
		}
		if effect.Cancel {
			cancel = append(cancel, w.Key)
		}
		tell = tell || w.Lease == nil && (effect.Remove || effect.Cancel)
	}
	return b.addQueueChanges(ctx, t, remove, enqueue, cancel, tell)
}

func (b *batch) addQueueChanges(ctx context.Context, t *pg.Trip,
	remove []string, enqueue db.EnqueueParams, cancel []string, tell bool) error {
	if len(remove) > 0 {
		err := t.Add(func(e pg.Executor) error { return b.store.q.Dequeue(ctx, e, remove) })
		if err != nil {
			return err
		}
	}
	if len(enqueue.Keys) > 0 {
		err := t.Add(func(e pg.Executor) error { return b.store.q.Enqueue(ctx, e, enqueue) })
		if err != nil {
			return err
		}
	}
	if len(cancel) > 0 {
		err := t.Add(func(e pg.Executor) error { return b.store.q.CancelQueued(ctx, e, cancel) })
		if err != nil {
			return err
		}
	}
	if tell {
		return t.Add(func(e pg.Executor) error { return b.store.q.NotifyLeases(ctx, e) })
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
