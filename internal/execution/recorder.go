package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kinds of Turns.
const (
	TurnModel = "model"
	TurnTool  = "tool"
)

// recordTimeout bounds a Recorder when the Query itself has been ended: the turn
// that was cut off is recorded nevertheless.
const recordTimeout = 30 * time.Second

// Recorder receives each turn and tool call as it ends. An error ends the Query.
type Recorder interface {
	Turn(ctx context.Context, t Turn) error
}

// Turn is one call of a model or of a tool.
type Turn struct {
	// Seq counts from 1 in the order in which the calls ended.
	Seq int
	// Kind is TurnModel or TurnTool.
	Kind string
	// Name of the Model, or of the Tool.
	Name           string
	Started, Ended time.Time
	// Request is a JSON object. Of a model turn it holds the messages that have
	// been added since the turn before: all turns in order are the conversation.
	Request []byte
	// Response is a JSON object; {} if the call failed.
	Response                       []byte
	PromptTokens, CompletionTokens int64
	// Error is empty if the call succeeded.
	Error string
}

// record hands a turn to the Recorder. request and response are marshalled; what
// PostgreSQL's jsonb and text refuse, and secrets, are replaced in all of it.
func (x *run) record(ctx context.Context, t Turn, request, response any, failure error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.recorder == nil {
		return nil
	}
	var err error
	if t.Request, err = x.document(request); err != nil {
		return fmt.Errorf("encode the request of %s %q: %w", t.Kind, t.Name, err)
	}
	if t.Response, err = x.document(response); err != nil {
		return fmt.Errorf("encode the response of %s %q: %w", t.Kind, t.Name, err)
	}
	if failure != nil {
		t.Error = clip(cleanText(x.values.Secrets().Redact(failure.Error())), maxMessage)
	}
	x.turns++
	t.Seq, t.Name = x.turns, cleanText(t.Name)
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := x.recorder.Turn(limited, t); err != nil {
		return fmt.Errorf("record turn %d: %w", t.Seq, err)
	}
	return nil
}

func (x *run) document(value any) ([]byte, error) {
	if value == nil {
		return []byte("{}"), nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return cleanJSON([]byte(x.values.Secrets().Redact(string(encoded)))), nil
}

// cleanText replaces what PostgreSQL cannot store as text.
func cleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// cleanJSON replaces escaped NULs, which jsonb refuses. An escaped backslash
// before u0000 is none.
func cleanJSON(document []byte) []byte {
	if !bytes.Contains(document, []byte(`\u0000`)) {
		return document
	}
	clean := make([]byte, 0, len(document))
	for i := 0; i < len(document); i++ {
		switch {
		case document[i] != '\\' || i+1 == len(document):
			clean = append(clean, document[i])
		case bytes.HasPrefix(document[i:], []byte(`\u0000`)):
			clean = append(clean, `\ufffd`...)
			i += len(`\u0000`) - 1
		default:
			clean = append(clean, document[i], document[i+1])
			i++
		}
	}
	return clean
}
