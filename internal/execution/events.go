package execution

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"mckinsey.com/ark/internal/valuesource"
)

// Reasons of warnings that are told as Events.
const (
	warnParameterResolution = "QueryParameterResolutionFailed"
	warnParameterNotFound   = "QueryParameterNotFound"
	warnModel               = "ModelUnavailable"
	warnDependency          = "DependencyUnavailable"
	warnTool                = toolCall + "Error"
)

// Parts of an execution that have Events of their own, where all are wanted: their
// reasons end in Start, Complete or Error.
const (
	agentExecution = "AgentExecution"
	modelCall      = "LLMCall"
	toolCall       = "ToolCall"
)

// event tells users about the Query, without secrets.
func (x *run) event(eventType, reason, message string) {
	if x.events != nil {
		x.events.Event(x.query, eventType, reason, clip(x.values.Secrets().Redact(message), maxEventMessage))
	}
}

// detail is an event that is told only where all are wanted.
func (x *run) detail(eventType, reason, message string) {
	if x.allEvents {
		x.event(eventType, reason, message)
	}
}

// begin tells that a part of the execution begins; end tells how it ended.
func (x *run) begin(part, kind, name string) (end func(error)) {
	what := fmt.Sprintf("%s %q", kind, name)
	x.detail(corev1.EventTypeNormal, part+"Start", what)
	return func(err error) {
		if err != nil {
			x.detail(corev1.EventTypeWarning, part+"Error", what+": "+err.Error())
			return
		}
		x.detail(corev1.EventTypeNormal, part+"Complete", what)
	}
}

func (x *run) warn(reason string, err error) {
	x.event(corev1.EventTypeWarning, reason, err.Error())
}

func (x *run) warnParameter(err error) {
	if errors.Is(err, valuesource.ErrQueryParameterNotFound) {
		x.warn(warnParameterNotFound, err)
		return
	}
	x.warn(warnParameterResolution, err)
}

// clip cuts a text to about max bytes, between characters, and marks the cut.
func clip(text string, max int) string {
	if len(text) <= max {
		return text
	}
	return strings.ToValidUTF8(text[:max], "") + "…"
}

const maxEventMessage = 1000
