package v1alpha1

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HighestPriority bounds the annotation AnnotationPriority, and minus it does.
const HighestPriority = 10

// What holds for a Query that says nothing else.
const (
	DefaultQueryTimeout = 5 * time.Minute
	DefaultQueryTTL     = 720 * time.Hour
)

// Timeout bounds the wait of the Query for its execution, and again the execution.
func (q *Query) Timeout() time.Duration { return q.Spec.Timeout.OrDefault(DefaultQueryTimeout) }

// TTL is how long the Query is kept once it has ended.
func (q *Query) TTL() time.Duration { return q.Spec.TTL.OrDefault(DefaultQueryTTL) }

// Held tells whether the Query is kept from being executed until a user lets it go.
func (q *Query) Held() bool { return q.Annotations[AnnotationHold] == "true" }

// Ending tells whether the Query is to end now: it was canceled, or is deleted
// while a finalizer keeps it.
func (q *Query) Ending() bool { return q.Spec.Cancel || q.DeletionTimestamp != nil }

// Priority reads the annotation: -10 to 10, higher goes first; what is no number is 0.
func (q *Query) Priority() int {
	n, err := strconv.Atoi(q.Annotations[AnnotationPriority])
	if err != nil {
		return 0
	}
	return max(-HighestPriority, min(HighestPriority, n))
}

// CompletedAt is when the condition Completed became true, if it says so.
func (q *Query) CompletedAt() (at time.Time, ok bool) {
	for _, c := range q.Status.Conditions {
		if c.Type == ConditionCompleted && c.Status == metav1.ConditionTrue && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Time, true
		}
	}
	return time.Time{}, false
}
