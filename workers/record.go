package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/execution"
)

// maxTurnDocument bounds the request and the response of a turn, in bytes.
const maxTurnDocument = 256 << 10

type startRecord db.StartRunParams

func (r startRecord) size() int { return 512 }

func (r startRecord) write(ctx context.Context, q *db.Queries, tx db.DBTX) error {
	return q.StartRun(ctx, tx, db.StartRunParams(r))
}

type endRecord db.EndRunParams

func (r endRecord) size() int { return 512 + len(r.Message) }

func (r endRecord) write(ctx context.Context, q *db.Queries, tx db.DBTX) error {
	return q.EndRun(ctx, tx, db.EndRunParams(r))
}

// turnRecord is one turn or more of a run.
type turnRecord db.AppendTurnsParams

func newTurnRecord(uid string, attempt int32, t execution.Turn) *turnRecord {
	return &turnRecord{
		UID: uid, Attempt: attempt,
		Seqs:  []int32{int32(t.Seq)}, //nolint:gosec // turns are bounded
		Kinds: []string{t.Kind}, Names: []string{cleanText(t.Name)},
		StartedAt: []time.Time{t.Started}, EndedAt: []time.Time{t.Ended},
		Requests: []string{document(t.Request)}, Responses: []string{document(t.Response)},
		PromptTokens: []int64{t.PromptTokens}, CompletionTokens: []int64{t.CompletionTokens},
		Errors: []string{cleanText(clip(t.Error, maxTrailMessage))},
	}
}

func (r *turnRecord) size() int {
	size := 512
	for i := range r.Seqs {
		size += len(r.Requests[i]) + len(r.Responses[i]) + len(r.Errors[i])
	}
	return size
}

func (r *turnRecord) write(ctx context.Context, q *db.Queries, tx db.DBTX) error {
	return q.AppendTurns(ctx, tx, db.AppendTurnsParams(*r))
}

func (r *turnRecord) add(other *turnRecord) {
	r.Seqs = append(r.Seqs, other.Seqs...)
	r.Kinds = append(r.Kinds, other.Kinds...)
	r.Names = append(r.Names, other.Names...)
	r.StartedAt = append(r.StartedAt, other.StartedAt...)
	r.EndedAt = append(r.EndedAt, other.EndedAt...)
	r.Requests = append(r.Requests, other.Requests...)
	r.Responses = append(r.Responses, other.Responses...)
	r.PromptTokens = append(r.PromptTokens, other.PromptTokens...)
	r.CompletionTokens = append(r.CompletionTokens, other.CompletionTokens...)
	r.Errors = append(r.Errors, other.Errors...)
}

// merge joins the turns of a run, up to its next start: a row must be there
// before its turns. The records of the batch stay as they are.
func merge(batch []record) []record {
	type runKey struct {
		uid     string
		attempt int32
	}
	merged := make([]record, 0, len(batch))
	open := map[runKey]*turnRecord{}
	for _, r := range batch {
		switch r := r.(type) {
		case startRecord:
			delete(open, runKey{r.UID, r.Attempt})
		case *turnRecord:
			key := runKey{r.UID, r.Attempt}
			if first := open[key]; first != nil {
				first.add(r)
				continue
			}
			first := &turnRecord{UID: r.UID, Attempt: r.Attempt}
			first.add(r)
			open[key] = first
			merged = append(merged, first)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// document makes JSON acceptable to a jsonb column: no NUL, no broken surrogates,
// only UTF-8, not too long. What is no JSON becomes a string.
func document(data []byte) string {
	if len(data) > maxTurnDocument {
		return cut(data)
	}
	if !json.Valid(data) {
		return quote(string(data))
	}
	if utf8.Valid(data) && !bytes.Contains(data, []byte(`\u`)) {
		return string(data)
	}
	var v any
	if err := utiljson.Unmarshal(data, &v); err != nil {
		return quote(string(data))
	}
	clean, err := json.Marshal(cleanValue(v))
	if err != nil {
		return quote(string(data))
	}
	return string(clean)
}

// cut keeps the beginning of a document that is too long, as text.
func cut(data []byte) string {
	return `{"cut":true,"bytes":` + strconv.Itoa(len(data)) + `,"beginning":` + quote(string(data[:maxTurnDocument/2])) + `}`
}

func quote(s string) string {
	data, _ := json.Marshal(cleanText(s)) // a string always marshals
	return string(data)
}

// cleanValue removes NUL from all strings; decoding has replaced what is no text.
func cleanValue(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "")
	case []any:
		for i := range v {
			v[i] = cleanValue(v[i])
		}
		return v
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[strings.ReplaceAll(name, "\x00", "")] = cleanValue(value)
		}
		return clean
	}
	return v
}
