package execution

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// MarkQueued makes the status that of a Query which waits for a worker, and drops
// what an earlier execution left.
func MarkQueued(q *arkv1alpha1.Query, now time.Time) {
	q.Status.Phase = arkv1alpha1.QueryQueued
	q.Status.Response, q.Status.TokenUsage, q.Status.Duration = nil, nil, ""
	completed(q, metav1.ConditionFalse, arkv1alpha1.ReasonQueryQueued, "The Query waits for a worker", now)
}

// MarkWaiting makes the status that of a Query which nobody executes: it waits for
// a worker, or is held.
func MarkWaiting(q *arkv1alpha1.Query, now time.Time) {
	MarkQueued(q, now)
	if q.Held() {
		q.Status.Phase = arkv1alpha1.QueryPending
		completed(q, metav1.ConditionFalse, arkv1alpha1.ReasonQueryNotStarted, "The Query is held by the annotation "+arkv1alpha1.AnnotationHold, now)
	}
}

// MarkRunning makes the status that of a Query which is being executed.
func MarkRunning(q *arkv1alpha1.Query, now time.Time) {
	q.Status.Phase = arkv1alpha1.QueryRunning
	completed(q, metav1.ConditionFalse, arkv1alpha1.ReasonQueryRunning, "The Query is being executed", now)
}

// Apply writes the outcome into the status of q: phase, conditions, response (cut
// to MaxResponse), token usage, duration. The Outcome of an interrupted execution
// changes nothing.
func (o Outcome) Apply(q *arkv1alpha1.Query, now time.Time) {
	if o.Interrupted != nil {
		return
	}
	q.Status.Phase = o.Phase
	q.Status.Response = capped(o.Response)
	q.Status.TokenUsage = nil
	if o.TokenUsage != (arkv1alpha1.TokenUsage{}) {
		usage := o.TokenUsage
		q.Status.TokenUsage = &usage
	}
	if o.ConversationID != "" {
		q.Status.ConversationID = o.ConversationID
	}
	q.Status.Duration = ""
	if o.Duration > 0 {
		q.Status.Duration = arkv1alpha1.DurationOf(o.Duration.Round(time.Millisecond))
	}
	completed(q, metav1.ConditionTrue, o.Reason, o.Message, now)
	if o.MemoryUnavailable != "" {
		condition(q, arkv1alpha1.ConditionMemoryUnavailable, metav1.ConditionTrue, arkv1alpha1.ReasonNoMemoryBackend, o.MemoryUnavailable, now)
	}
}

func completed(q *arkv1alpha1.Query, status metav1.ConditionStatus, reason, message string, now time.Time) {
	condition(q, arkv1alpha1.ConditionCompleted, status, reason, message, now)
}

func condition(q *arkv1alpha1.Query, conditionType string, status metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(&q.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: q.Generation, LastTransitionTime: metav1.NewTime(now),
	})
}
