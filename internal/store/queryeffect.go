package store

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// Annotations of a Query that the queue obeys.
const (
	// AnnotationHold "true" keeps a Query out of the queue until it is removed.
	AnnotationHold = "ark.mckinsey.com/hold"
	// AnnotationPriority is a number from -10 to 10: higher goes first.
	AnnotationPriority = "ark.mckinsey.com/priority"
)

// Defaults of a Query's spec, where it says nothing.
const (
	DefaultQueryTimeout = 5 * time.Minute
	DefaultQueryTTL     = 720 * time.Hour
)

const highestPriority = 10

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
		effect.Cancel = ending(updated)
	case was && !is:
		effect.Remove = true
	case was && is:
		effect.Cancel = ending(updated) && !ending(old)
		if entry := entryOf(updated); *entry != *entryOf(old) {
			effect.Reschedule = entry
		}
	}
	return effect
}

// queued tells whether a Query has an entry in the queue: from its creation to
// its end, unless it is held before it runs.
func queued(q *arkv1alpha1.Query) bool {
	return q != nil && !q.Status.Phase.IsTerminal() && !(held(q) && !begun(q))
}

func held(q *arkv1alpha1.Query) bool { return q.Annotations[AnnotationHold] == "true" }

// begun tells whether a worker executes the Query: a hold comes too late then.
func begun(q *arkv1alpha1.Query) bool {
	return q.Status.Phase == arkv1alpha1.QueryRunning || q.Status.Phase == arkv1alpha1.QueryInputRequired
}

// ending tells whether the Query is to be cut off: it was cancelled, or deleted
// while a finalizer keeps it.
func ending(q *arkv1alpha1.Query) bool { return q.Spec.Cancel || q.DeletionTimestamp != nil }

func entryOf(q *arkv1alpha1.Query) *QueueEntry {
	return &QueueEntry{
		UID:       string(q.UID),
		Namespace: q.Namespace,
		Rank:      -priority(q),
		Wait:      q.Spec.Timeout.OrDefault(DefaultQueryTimeout),
	}
}

// priority reads the annotation; what is no number is no priority.
func priority(q *arkv1alpha1.Query) int16 {
	n, err := strconv.Atoi(q.Annotations[AnnotationPriority])
	if err != nil {
		return 0
	}
	return int16(max(-highestPriority, min(highestPriority, n)))
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
		row.ExpiresAt = row.CompletedAt.Add(q.Spec.TTL.OrDefault(DefaultQueryTTL))
	}
	return row
}

// completedAt is when the condition Completed became true; a Query that ended
// without saying so ends now.
func completedAt(q *arkv1alpha1.Query, now time.Time) time.Time {
	c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted)
	if c == nil || c.Status != metav1.ConditionTrue || c.LastTransitionTime.IsZero() {
		return now
	}
	return c.LastTransitionTime.Time
}
