package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
	"mckinsey.com/ark/internal/valuesource"
)

// Causes with which a caller ends an execution.
var (
	// ErrCanceled: somebody set spec.cancel, or deleted the Query.
	ErrCanceled = errors.New("the Query was canceled")
	// ErrTimeout: spec.timeout has passed. Run sets it itself.
	ErrTimeout = errors.New("the Query's timeout has passed")
	// ErrLeaseLost: another worker may have taken the Query up.
	ErrLeaseLost = errors.New("the lease of the Query was lost")
)

// maxMessage bounds the message of a condition, in bytes; Kubernetes' own limit
// is 32,768 characters.
const maxMessage = 8 << 10

// targetError is what Ark's clients find in response.raw where there was an error.
const targetError = "target_execution_error"

// Outcome is how an execution ended: what belongs into the Query's status.
type Outcome struct {
	// Phase is done, error or canceled.
	Phase arkv1alpha1.QueryPhase
	// Reason and Message of the condition Completed.
	Reason, Message string
	// Response is nil for a canceled Query.
	Response *arkv1alpha1.Response
	// TokenUsage also counts what was spent in vain.
	TokenUsage arkv1alpha1.TokenUsage
	// ConversationID under which the conversation can be continued; may be empty.
	ConversationID string
	// MemoryUnavailable says why the Query ran without the memory that it names;
	// empty if it names none.
	MemoryUnavailable string
	// Duration from the start of the execution to its end.
	Duration time.Duration
	// Interrupted is not nil if the execution was ended by neither the Query nor
	// its user: by ErrLeaseLost, or because the worker stops. Then there is no
	// outcome, and nothing may be written.
	Interrupted error
}

// Ended returns the Outcome of a Query that was never executed, or no more: it
// was canceled or timed out in the queue, or its attempts are used up.
func Ended(q *arkv1alpha1.Query, phase arkv1alpha1.QueryPhase, reason, message string) Outcome {
	o := Outcome{Phase: phase, Reason: reason, Message: clip(message, maxMessage), ConversationID: conversationID(q)}
	if phase == arkv1alpha1.QueryError {
		o.Response = errorResponse(q.Spec.Target, o.Message)
	}
	return o
}

// outcome makes an Outcome of what the execution returned.
func (x *run) outcome(ctx context.Context, result answer, err error, timeout time.Duration) Outcome {
	o := x.end(ctx, result, err, timeout)
	x.mu.Lock()
	defer x.mu.Unlock()
	o.TokenUsage = arkv1alpha1.TokenUsage{
		PromptTokens: x.usage.Prompt, CompletionTokens: x.usage.Completion,
		TotalTokens: x.usage.Total, CachedTokens: x.usage.Cached,
	}
	if memory := x.query.Spec.Memory; memory != nil {
		o.MemoryUnavailable = fmt.Sprintf("memory %q was not used: memories are not supported in this release", memory.Name)
	}
	return o
}

func (x *run) end(ctx context.Context, result answer, err error, timeout time.Duration) Outcome {
	if err == nil {
		return x.succeeded(result)
	}
	message := x.values.Secrets().Redact(err.Error())
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return x.ended(arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored, message)
	case errors.Is(cause, ErrCanceled):
		return x.ended(arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, "The Query was canceled while it was executed")
	case errors.Is(cause, ErrTimeout):
		return x.ended(arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInExecution,
			fmt.Sprintf("The execution took longer than spec.timeout (%s): %s", timeout, message))
	}
	return Outcome{Interrupted: cause}
}

func (x *run) ended(phase arkv1alpha1.QueryPhase, reason, message string) Outcome {
	o := Ended(x.query, phase, reason, message)
	if o.Response != nil && x.target != nil {
		o.Response.Target = x.target
	}
	return o
}

// succeeded makes an Outcome of an answer, without the secrets that a model or a
// tool may have repeated: whoever reads Queries need not be able to read Secrets.
func (x *run) succeeded(result answer) Outcome {
	secrets := x.values.Secrets()
	raw, err := json.Marshal(redacted(result.messages, secrets))
	if err != nil {
		return x.ended(arkv1alpha1.QueryError, arkv1alpha1.ReasonQueryErrored, fmt.Sprintf("encode the messages: %v", err))
	}
	return Outcome{
		Phase: arkv1alpha1.QueryDone, Reason: arkv1alpha1.ReasonQuerySucceeded, Message: "The Query was answered",
		Response: &arkv1alpha1.Response{
			Target: x.target, Content: secrets.Redact(result.content), Raw: string(raw), Phase: string(arkv1alpha1.QueryDone),
		},
		ConversationID: conversationID(x.query),
	}
}

// redacted returns messages with all secrets masked. It looks at each text before
// it is encoded: the arguments of a call are JSON inside of JSON.
func redacted(messages []model.Message, secrets *valuesource.Secrets) []model.Message {
	masked := slices.Clone(messages)
	for i := range masked {
		m := &masked[i]
		m.Content = secrets.Redact(m.Content)
		m.ToolCalls = slices.Clone(m.ToolCalls)
		for c := range m.ToolCalls {
			call := &m.ToolCalls[c].Function
			call.Name, call.Arguments = secrets.Redact(call.Name), secrets.Redact(call.Arguments)
		}
	}
	return masked
}

// conversationID is that of the conversation which the Query continues. Without a
// memory none is begun.
func conversationID(q *arkv1alpha1.Query) string {
	if q.Spec.ConversationID != "" {
		return q.Spec.ConversationID
	}
	return q.Status.ConversationID
}

func errorResponse(target *arkv1alpha1.QueryTarget, message string) *arkv1alpha1.Response {
	// A list of maps of strings always marshals.
	raw, _ := json.Marshal([]map[string]string{{"error": targetError, "message": message}})
	return &arkv1alpha1.Response{
		Target: target.DeepCopy(), Content: message, Raw: string(raw), Phase: string(arkv1alpha1.QueryError),
	}
}
