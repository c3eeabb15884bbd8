package strategy

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/store"
	"mckinsey.com/ark/server/table"
)

func queries() Kind {
	type T = *v1alpha1.Query
	return &kind[T]{
		groupVersion:   v1alpha1.GroupVersion,
		resource:       "queries",
		singular:       "query",
		shortNames:     []string{"qry"},
		newObject:      func() T { return &v1alpha1.Query{} },
		newList:        func() runtime.Object { return &v1alpha1.QueryList{} },
		spec:           func(o T) any { return &o.Spec },
		copySpec:       func(to, from T) { to.Spec = from.Spec },
		copyStatus:     func(to, from T) { to.Status = *from.Status.DeepCopy() },
		prepare:        prepareQuery,
		settle:         settleQuery,
		validate:       v1alpha1.ValidateQuery,
		validateStatus: v1alpha1.ValidateQueryStatusUpdate,
		warnings:       func(o T) []string { return v1alpha1.MigrationWarnings(o) },
		forgotten:      forgottenOfQuery,
		fields:         func(o T) fields.Set { return v1alpha1.SelectableFields(o) },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Type", "What the input is", func(o T) string { return string(o.Spec.Type) }),
			table.Text("Phase", "State of the Query", func(o T) string { return string(o.Status.Phase) }),
			table.Text("Duration", "How long its execution took", func(o T) string { return string(o.Status.Duration) }),
			table.Age[T](),
			table.OnlyWide(table.Text("Target", "Who answers", queryTarget)),
			table.OnlyWide(table.Integer("Tokens", "Tokens sent and received", queryTokens)),
		},
	}
}

// forgottenOfQuery warns whoever restores a Query that has ended: created, it is
// one that has never been executed.
func forgottenOfQuery(q *v1alpha1.Query) []string {
	if !q.Status.Phase.IsTerminal() {
		return nil
	}
	return []string{"status.phase: the manifest says " + string(q.Status.Phase) + ", but this is a new Query: it will be executed anew"}
}

// prepareQuery migrates the input, and removes the finalizer of former releases.
func prepareQuery(q, _ *v1alpha1.Query) {
	v1alpha1.MigrateQuery(q)
	q.Spec.Input.Raw = canonical(q.Spec.Input.Raw)
	if i := slices.Index(q.Finalizers, v1alpha1.Finalizer); i >= 0 {
		q.Finalizers = slices.Delete(slices.Clone(q.Finalizers), i, i+1)
	}
}

// settleQuery keeps the phase of a Query that has not begun in step with its hold:
// queued, or pending while it is held.
func settleQuery(q *v1alpha1.Query, now metav1.Time) {
	switch q.Status.Phase {
	case "", v1alpha1.QueryPending, v1alpha1.QueryQueued:
	default:
		return
	}
	phase, reason, message := v1alpha1.QueryQueued, v1alpha1.ReasonQueryQueued, "The Query waits for a worker"
	if q.Held() {
		phase, reason, message = v1alpha1.QueryPending, v1alpha1.ReasonQueryNotStarted, "The Query is held by the annotation "+v1alpha1.AnnotationHold
	}
	if q.Status.Phase == phase {
		return
	}
	q.Status.Phase = phase
	meta.SetStatusCondition(&q.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionFalse, Reason: reason, Message: message, LastTransitionTime: now,
	})
}

func queryTarget(q *v1alpha1.Query) string {
	target := q.Spec.Target
	if target == nil && q.Status.Response != nil {
		target = q.Status.Response.Target
	}
	if target == nil {
		return "<selector>"
	}
	return string(target.Type) + "/" + target.Name
}

func queryTokens(q *v1alpha1.Query) int64 {
	if q.Status.TokenUsage == nil {
		return 0
	}
	return q.Status.TokenUsage.TotalTokens
}

// QueryWritten is the effect of the write of a Query on its columns and on the
// queue; storage applies it in the transaction of the write.
func QueryWritten(old, updated runtime.Object, now time.Time) *store.QueryChange {
	before, _ := old.(*v1alpha1.Query)
	after, _ := updated.(*v1alpha1.Query)
	return store.QueryChangeOf(before, after, now)
}
