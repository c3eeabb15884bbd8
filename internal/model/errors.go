package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mckinsey.com/ark/internal/valuesource"
)

// maxExcerpt is how much of a provider's answer an error quotes, in bytes.
const maxExcerpt = 300

// Error is a call of a model that failed. It never contains the API key, the
// values of headers or what else is secret, whatever the provider answered.
type Error struct {
	// Model is the name of the Model object, ID the provider's name of the model.
	Model, ID string
	// Status is the last HTTP status that the provider answered with; 0 if it
	// never answered.
	Status int
	// Detail says what was wrong, with a short excerpt of the answer.
	Detail string
	// Err is the cause, where there is one: the context's, or the network's.
	Err error
}

// Error returns the cause in one line.
func (e *Error) Error() string {
	text := fmt.Sprintf("model %q (%s): ", e.Model, e.ID)
	if e.Status == 0 {
		return text + e.Detail
	}
	text += fmt.Sprintf("HTTP %d", e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " " + name
	}
	if hint := hints[e.Status]; hint != "" {
		text += " (" + hint + ")"
	}
	return text + ": " + e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// hints say what a status usually means to the owner of a Model.
var hints = map[int]string{
	http.StatusUnauthorized:    "the API key is not accepted",
	http.StatusForbidden:       "the API key has no right to this model",
	http.StatusNotFound:        "the base URL or the name of the model is wrong",
	http.StatusTooManyRequests: "the provider's limit is reached",
}

// describe makes an Error of what the SDK returned and what was seen on the wire.
func (p *openAI) describe(ctx context.Context, err error, seen *exchange) error {
	failure := &Error{Model: p.name, ID: p.secrets.Redact(p.id), Status: seen.status, Err: err}
	switch {
	case ctx.Err() != nil:
		failure.Status = 0
		failure.Err = fmt.Errorf("%w: %w", context.Cause(ctx), ctx.Err())
		failure.Detail = "no answer before the call was ended"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			failure.Detail = "no answer in time"
		}
		if last := seen.summary(); last != "" {
			failure.Detail += "; before: " + last
		}
	case seen.refused != nil:
		failure.Detail, failure.Err = seen.refused.Error(), seen.refused
	case seen.failed():
		failure.Detail = excerpt(seen.body)
		if seen.tooLate > 0 {
			failure.Detail += fmt.Sprintf(" (asks to wait %s, which is longer than the Query may take)", seen.tooLate.Round(time.Second))
		}
	case seen.status != 0:
		failure.Detail = "the answer is not a chat completion: " + excerpt(seen.body)
	default:
		failure.Detail = "no answer: " + err.Error()
	}
	failure.Detail = p.secrets.Redact(localAddress.ReplaceAllString(failure.Detail, ""))
	failure.Err = redact(failure.Err, p.secrets)
	return failure
}

// localAddress is where a connection comes from: another port each time, which
// tells the reader nothing.
var localAddress = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+(%\w+)?\]):\d+->`)

// redacted keeps what an error is, but not what it says.
type redacted struct {
	err  error
	text string
}

func redact(err error, secrets *valuesource.Secrets) error {
	return redacted{err, secrets.Redact(err.Error())}
}

func (r redacted) Error() string        { return r.text }
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }

// excerpt returns the message of an error in OpenAI's format, else the beginning
// of the body, in one printable line.
func excerpt(body []byte) string {
	var document struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	text := string(body)
	if json.Unmarshal(body, &document) == nil {
		var object struct {
			Message string `json:"message"`
		}
		var plain string
		switch {
		case json.Unmarshal(document.Error, &object) == nil && object.Message != "":
			text = object.Message
		case json.Unmarshal(document.Error, &plain) == nil && plain != "":
			text = plain
		case document.Message != "":
			text = document.Message
		}
	}
	if text = oneLine(text); text == "" {
		return "the answer is empty"
	}
	return text
}

func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxExcerpt {
		return text
	}
	end := maxExcerpt
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
