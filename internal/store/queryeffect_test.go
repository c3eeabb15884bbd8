package store

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

type queryChange func(*arkv1alpha1.Query)

// aQuery returns a Query in namespace ns, changed.
func aQuery(change ...queryChange) *arkv1alpha1.Query {
	q := &arkv1alpha1.Query{}
	q.Namespace, q.Name, q.UID = "ns", "q", "uid-q"
	for _, c := range change {
		c(q)
	}
	return q
}

func phase(p arkv1alpha1.QueryPhase) queryChange {
	return func(q *arkv1alpha1.Query) { q.Status.Phase = p }
}

func annotated(key, value string) queryChange {
	return func(q *arkv1alpha1.Query) { metav1.SetMetaDataAnnotation(&q.ObjectMeta, key, value) }
}

func cancelled(q *arkv1alpha1.Query) { q.Spec.Cancel = true }

func deleting(q *arkv1alpha1.Query) { q.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func timeout(d arkv1alpha1.Duration) queryChange {
	return func(q *arkv1alpha1.Query) { q.Spec.Timeout = d }
}

func ttl(d arkv1alpha1.Duration) queryChange {
	return func(q *arkv1alpha1.Query) { q.Spec.TTL = d }
}

func completed(at time.Time) queryChange {
	return func(q *arkv1alpha1.Query) {
		q.Status.Conditions = []metav1.Condition{{Type: arkv1alpha1.ConditionCompleted,
			Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)}}
	}
}

func TestEffectOfAWrite(t *testing.T) {
	t.Parallel()
	held := annotated(arkv1alpha1.AnnotationHold, "true")
	none, enqueue, remove, cancel, reschedule := "", "enqueue", "remove", "cancel", "reschedule"
	urgent := annotated(arkv1alpha1.AnnotationPriority, "5")
	tests := map[string]struct {
		old, updated *arkv1alpha1.Query
		want         string
	}{
		"created":                               {nil, aQuery(), enqueue},
		"created queued":                        {nil, aQuery(phase(arkv1alpha1.QueryQueued)), enqueue},
		"created held":                          {nil, aQuery(held), none},
		"created with another hold":             {nil, aQuery(annotated(arkv1alpha1.AnnotationHold, "false")), enqueue},
		"created cancelled":                     {nil, aQuery(cancelled), enqueue + cancel},
		"created finished":                      {nil, aQuery(phase(arkv1alpha1.QueryDone)), none},
		"labelled":                              {aQuery(), aQuery(annotated("a", "b")), none},
		"started":                               {aQuery(), aQuery(phase(arkv1alpha1.QueryRunning)), none},
		"waits for input":                       {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryInputRequired)), none},
		"done":                                  {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryDone)), remove},
		"failed":                                {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryError)), remove},
		"canceled":                              {aQuery(cancelled), aQuery(cancelled, phase(arkv1alpha1.QueryCanceled)), remove},
		"labelled after its end":                {aQuery(phase(arkv1alpha1.QueryDone)), aQuery(phase(arkv1alpha1.QueryDone), annotated("a", "b")), none},
		"cancelled":                             {aQuery(), aQuery(cancelled), cancel},
		"cancelled while it runs":               {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryRunning), cancelled), cancel},
		"cancelled again":                       {aQuery(cancelled), aQuery(cancelled, annotated("a", "b")), none},
		"cancelled after its end":               {aQuery(phase(arkv1alpha1.QueryDone)), aQuery(phase(arkv1alpha1.QueryDone), cancelled), none},
		"priority edited":                       {aQuery(), aQuery(urgent), reschedule},
		"priority edited to the same":           {aQuery(urgent), aQuery(annotated(arkv1alpha1.AnnotationPriority, "+5")), none},
		"timeout edited":                        {aQuery(), aQuery(timeout("1m")), reschedule},
		"timeout written out":                   {aQuery(), aQuery(timeout("300s")), none},
		"timeout edited while it runs":          {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryRunning), timeout("1m")), reschedule},
		"timeout edited while held":             {aQuery(held), aQuery(held, timeout("1m")), none},
		"timeout edited after its end":          {aQuery(phase(arkv1alpha1.QueryDone)), aQuery(phase(arkv1alpha1.QueryDone), timeout("1m")), none},
		"timeout edited and cancelled":          {aQuery(), aQuery(timeout("1m"), cancelled), reschedule + cancel},
		"let go with another priority":          {aQuery(held), aQuery(urgent), enqueue},
		"held":                                  {aQuery(), aQuery(held), remove},
		"held while it runs":                    {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryRunning), held), none},
		"held and labelled":                     {aQuery(held), aQuery(held, annotated("a", "b")), none},
		"let go":                                {aQuery(held), aQuery(), enqueue},
		"let go and cancelled":                  {aQuery(held), aQuery(cancelled), enqueue + cancel},
		"cancelled while held":                  {aQuery(held), aQuery(held, cancelled), none},
		"deletion begins":                       {aQuery(), aQuery(deleting), cancel},
		"deletion begins while it runs":         {aQuery(phase(arkv1alpha1.QueryRunning)), aQuery(phase(arkv1alpha1.QueryRunning), deleting), cancel},
		"deletion begins after its end":         {aQuery(phase(arkv1alpha1.QueryDone)), aQuery(phase(arkv1alpha1.QueryDone), deleting), none},
		"deleted":                               {aQuery(), nil, remove},
		"deleted while it runs":                 {aQuery(phase(arkv1alpha1.QueryRunning)), nil, remove},
		"deleted after its end":                 {aQuery(phase(arkv1alpha1.QueryDone)), nil, none},
		"deleted while held":                    {aQuery(held), nil, none},
		"deleted although it cannot be decoded": {nil, nil, remove},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			effect := QueryChangeOf(test.old, test.updated, time.Now()).Effect
			got := ""
			if effect.Enqueue != nil {
				got += enqueue
			}
			if effect.Remove {
				got += remove
			}
			if effect.Reschedule != nil {
				got += reschedule
			}
			if effect.Cancel {
				got += cancel
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestQueueEntry(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query *arkv1alpha1.Query
		want  QueueEntry
	}{
		"plain":        {aQuery(), QueueEntry{Wait: arkv1alpha1.DefaultQueryTimeout}},
		"timeout":      {aQuery(timeout("90s")), QueueEntry{Wait: 90 * time.Second}},
		"no duration":  {aQuery(timeout("soon")), QueueEntry{Wait: arkv1alpha1.DefaultQueryTimeout}},
		"urgent":       {aQuery(annotated(arkv1alpha1.AnnotationPriority, "7")), QueueEntry{Rank: -7, Wait: arkv1alpha1.DefaultQueryTimeout}},
		"not urgent":   {aQuery(annotated(arkv1alpha1.AnnotationPriority, "-3")), QueueEntry{Rank: 3, Wait: arkv1alpha1.DefaultQueryTimeout}},
		"most urgent":  {aQuery(annotated(arkv1alpha1.AnnotationPriority, "99999999999")), QueueEntry{Rank: -10, Wait: arkv1alpha1.DefaultQueryTimeout}},
		"very urgent":  {aQuery(annotated(arkv1alpha1.AnnotationPriority, "4000")), QueueEntry{Rank: -10, Wait: arkv1alpha1.DefaultQueryTimeout}},
		"least urgent": {aQuery(annotated(arkv1alpha1.AnnotationPriority, "-4000")), QueueEntry{Rank: 10, Wait: arkv1alpha1.DefaultQueryTimeout}},
		"not a number": {aQuery(annotated(arkv1alpha1.AnnotationPriority, "high")), QueueEntry{Wait: arkv1alpha1.DefaultQueryTimeout}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.UID, test.want.Namespace = "uid-q", "ns"
			if got := *QueryChangeOf(nil, test.query, time.Now()).Effect.Enqueue; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestQueryRow(t *testing.T) {
	t.Parallel()
	now, before := time.Unix(1_000_000, 0), time.Unix(900_000, 0)
	tests := map[string]struct {
		query              *arkv1alpha1.Query
		completed, expires time.Time
	}{
		"not finished":                 {aQuery(completed(before)), time.Time{}, time.Time{}},
		"finished":                     {aQuery(phase(arkv1alpha1.QueryDone), completed(before)), before, before.Add(arkv1alpha1.DefaultQueryTTL)},
		"finished with a ttl":          {aQuery(phase(arkv1alpha1.QueryError), completed(before), ttl("10s")), before, before.Add(10 * time.Second)},
		"finished without a condition": {aQuery(phase(arkv1alpha1.QueryCanceled), ttl("0s")), now, now},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := QueryChangeOf(nil, test.query, now).Row
			if !row.CompletedAt.Equal(test.completed) || !row.ExpiresAt.Equal(test.expires) || !row.CreatedAt.Equal(now) {
				t.Errorf("completed %s, expires %s, created %s", row.CompletedAt, row.ExpiresAt, row.CreatedAt)
			}
		})
	}
	q := aQuery(func(q *arkv1alpha1.Query) {
		q.CreationTimestamp = metav1.NewTime(before)
		q.Spec.Target = &arkv1alpha1.QueryTarget{Type: arkv1alpha1.TargetTeam, Name: "t"}
		q.Spec.SessionID, q.Spec.ConversationID = "s", "asked"
		q.Status.TokenUsage = &arkv1alpha1.TokenUsage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3, CachedTokens: 4}
	})
	want := QueryRow{Namespace: "ns", Name: "q", UID: "uid-q", TargetType: "team", TargetName: "t",
		SessionID: "s", ConversationID: "asked", CreatedAt: before,
		PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3, CachedTokens: 4}
	if got := *QueryChangeOf(nil, q, now).Row; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	q.Status.ConversationID = "given"
	if got := QueryChangeOf(nil, q, now).Row.ConversationID; got != "given" {
		t.Errorf("conversation %q, want the one that the status names", got)
	}
}
