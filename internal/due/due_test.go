package due_test

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/due"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"
)

// finished writes a Query that was completed at a time, with a time to live.
func finished(t *testing.T, s *store.Store, name string, completed time.Time, ttl arkv1alpha1.Duration) {
	t.Helper()
	q := &arkv1alpha1.Query{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(completed)},
		Spec:       arkv1alpha1.QuerySpec{TTL: ttl},
		Status: arkv1alpha1.QueryStatus{
			Phase: arkv1alpha1.QueryDone,
			Conditions: []metav1.Condition{{
				Type: arkv1alpha1.ConditionCompleted, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(completed),
			}},
		},
	}
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Write(t.Context(), store.Write{
		Resource: arkv1alpha1.Resource("queries").String(), Key: "team/" + name, Body: body, Query: store.QueryChangeOf(nil, q, completed),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTimeToLiveCountsFromCompletion(t *testing.T) {
	t.Parallel()
	pool := pgtest.DB(t)
	s := store.Open(t.Context(), pool, store.Options{})
	t.Cleanup(s.Close)
	queries := due.NewQueries(pool)
	if next, err := queries.Next(t.Context()); err != nil || next.Year() != 9999 {
		t.Fatalf("with no query the next is due at %s, %v", next, err)
	}
	completed := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	finished(t, s, "long", completed, "2h")
	finished(t, s, "short", completed, "10m")
	finished(t, s, "default", completed, "")

	next, err := queries.Next(t.Context())
	if err != nil || !next.Equal(completed.Add(10*time.Minute)) {
		t.Fatalf("the next is due at %s, %v", next, err)
	}
	claim := func(now time.Time, want ...string) {
		t.Helper()
		got, err := queries.Claim(t.Context(), now, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("at %s due are %v, want %v", now, got, want)
		}
		names := map[string]types.UID{}
		for _, q := range got {
			names[q.Namespace+"/"+q.Name] = q.UID
		}
		for _, name := range want {
			if names["team/"+name] != types.UID("uid-"+name) {
				t.Errorf("due are %v, without %s", names, name)
			}
		}
	}
	claim(completed.Add(10*time.Minute - time.Second))
	claim(completed.Add(10*time.Minute), "short")
	claim(completed.Add(10*time.Minute + 30*time.Second)) // another process passes over it
	claim(completed.Add(11*time.Minute+time.Second), "short")
	claim(completed.Add(719*time.Hour).Add(59*time.Minute), "short", "long")
	claim(completed.Add(721*time.Hour), "short", "long", "default")
}
