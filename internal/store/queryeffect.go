package store

import (
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// QueryChangeOf returns what the write that turns old into updated does beside the
// object; nil stands for a Query that does not exist. It is a pure function, so
// that whoever writes a Query, through whichever door, has the same effect.
func QueryChangeOf(old, updated *arkv1alpha1.Query, now time.Time) *QueryChange {
	change := &QueryChange{Effect: effectOf(old, updated)}
	if updated != nil {
		change.Row = rowOf(updated, now)
	}
	return change
}

// effectOf compares whether a Query belongs in the queue before and after. One that
// is deleted although it could not be decoded may have an entry.
func effectOf(old, updated *arkv1alpha1.Query) Effect {
	if old == nil && updated == nil {
		return Effect{Remove: true}
	}
	was, is := queued(old), queued(updated)
	var effect Effect
	switch {
	case is && !was:
		effect.Enqueue = entryOf(updated)
		effect.Cancel = updated.Ending()
	case was && !is:
		effect.Remove = true
	case was && is:
		effect.Cancel = updated.Ending() && !old.Ending()
		if entry := entryOf(updated); *entry != *entryOf(old) {
			effect.Reschedule = entry
		}
	}
	return effect
}

// queued tells whether a Query has an entry in the queue: from its creation to
// its end, unless it is held before it runs.
func queued(q *arkv1alpha1.Query) bool {
	return q != nil && !q.Status.Phase.IsTerminal() && !(q.Held() && !begun(q))
}

// begun tells whether a worker executes the Query: a hold comes too late then.
func begun(q *arkv1alpha1.Query) bool {
	return q.Status.Phase == arkv1alpha1.QueryRunning || q.Status.Phase == arkv1alpha1.QueryInputRequired
}

func entryOf(q *arkv1alpha1.Query) *QueueEntry {
	return &QueueEntry{
		UID:       string(q.UID),
		Namespace: q.Namespace,
		Rank:      -int16(q.Priority()),
		Wait:      q.Timeout(),
	}
}

func rowOf(q *arkv1alpha1.Query, now time.Time) *QueryRow {
	row := &QueryRow{
		Namespace: q.Namespace, Name: q.Name, UID: string(q.UID),
		Phase:          string(q.Status.Phase),
		SessionID:      q.Spec.SessionID,
		ConversationID: q.Status.ConversationID,
		CreatedAt:      q.CreationTimestamp.Time,
	}
	if row.ConversationID == "" {
		row.ConversationID = q.Spec.ConversationID
	}
	if row.CreatedAt.IsZero() {
		row.CreatedAt = now
	}
	if t := q.Spec.Target; t != nil {
		row.TargetType, row.TargetName = string(t.Type), t.Name
	}
	if u := q.Status.TokenUsage; u != nil {
		row.PromptTokens, row.CompletionTokens = u.PromptTokens, u.CompletionTokens
		row.TotalTokens, row.CachedTokens = u.TotalTokens, u.CachedTokens
	}
	if q.Status.Phase.IsTerminal() {
		row.CompletedAt = completedAt(q, now)
		row.ExpiresAt = row.CompletedAt.Add(q.TTL())
	}
	return row
}

// completedAt is when the Query ended; one that ended without saying so ends now.
func completedAt(q *arkv1alpha1.Query, now time.Time) time.Time {
	if at, ok := q.CompletedAt(); ok {
		return at
	}
	return now
}
