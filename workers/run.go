package workers

import (
	"context"
	"strings"
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

// Outcomes of a run that are not those of its Query.
const (
	runLost     = "lost"
	runReleased = "released"
)

// run is the trail of one attempt: a row in ark.runs, and one in ark.turns for
// each of its turns. It is the Recorder of the execution.
type run struct {
	session *session
	entry   *entry
	query   *arkv1alpha1.Query
}

var _ execution.Recorder = (*run)(nil)

func newRun(s *session, e *entry, q *arkv1alpha1.Query) *run {
	return &run{session: s, entry: e, query: q}
}

// start records that the attempt began.
func (r *run) start(ctx context.Context, at time.Time) error {
	arg := db.StartRunParams{
		UID: r.entry.UID, Attempt: r.entry.Attempt,
		Namespace: r.query.Namespace, Name: r.query.Name,
		Worker: r.session.id, WorkerName: cleanText(r.session.Name),
		EnqueuedAt: r.entry.EnqueuedAt, StartedAt: at,
	}
	if t := r.query.Spec.Target; t != nil {
		arg.TargetType, arg.TargetName = cleanText(string(t.Type)), cleanText(t.Name)
	}
	return r.session.trail.put(ctx, startRecord(arg))
}

// Turn records a turn. It waits while too much is waiting to be written.
func (r *run) Turn(ctx context.Context, t execution.Turn) error {
	return r.session.trail.put(ctx, newTurnRecord(r.entry.UID, r.entry.Attempt, t))
}

// end records how the attempt ended. It is recorded also when the session has
// ended, as long as the worker runs.
func (r *run) end(ctx context.Context, outcome string, o execution.Outcome) error {
	return r.session.trail.put(context.WithoutCancel(ctx), endRecord(db.EndRunParams{
		EndedAt: r.session.Clock.Now(), Outcome: outcome,
		Reason: cleanText(o.Reason), Message: cleanText(clip(o.Message, maxTrailMessage)),
		PromptTokens: o.TokenUsage.PromptTokens, CompletionTokens: o.TokenUsage.CompletionTokens,
		UID: r.entry.UID, Attempt: r.entry.Attempt, Worker: r.session.id,
	}))
}

const maxTrailMessage = 8 << 10

// clip cuts a text to at most limit bytes, and says so.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + " (cut)"
}

// cleanText makes a text acceptable to a column: no NUL, only UTF-8.
func cleanText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
