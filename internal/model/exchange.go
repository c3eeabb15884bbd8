package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/openai/openai-go/v3/option"

	"mckinsey.com/ark/internal/egress"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 16 << 20

// exchange is what was seen on the wire during one call, over all its attempts:
// errors of the SDK say too little of it.
type exchange struct {
	status  int           // of the last answer; 0: none
	body    []byte        // of the last answer
	tooLate time.Duration // the wait that the provider asks for, if it is longer than the deadline
	refused error         // the egress policy's refusal
	broken  error         // of the last attempt, if it got no whole answer
	earlier string        // summary of the attempt before
	abandon context.CancelCauseFunc
}

func (e *exchange) failed() bool { return e.status >= http.StatusBadRequest }

// summary describes the last attempt that failed by itself; empty if none has.
func (e *exchange) summary() string {
	switch {
	case e.broken != nil:
		return e.broken.Error()
	case e.failed():
		return fmt.Sprintf("HTTP %d: %s", e.status, excerpt(e.body))
	}
	return e.earlier
}

// middleware stands between the SDK and the HTTP client, once an attempt.
func (e *exchange) middleware(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	e.earlier = e.summary()
	e.status, e.body, e.broken = 0, nil, nil
	res, err := next(req)
	if errors.Is(err, egress.ErrRefused) {
		// The SDK would try again, in vain.
		e.refused = err
		e.abandon(err)
	}
	if err != nil {
		e.breakOff(req.Context(), err)
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	if err != nil {
		err = fmt.Errorf("read the answer: %w", err)
		e.breakOff(req.Context(), err)
		return nil, err
	}
	e.status, e.body = res.StatusCode, body
	res.Body = io.NopCloser(bytes.NewReader(body))
	if json.Valid(body) {
		// Some servers forget to say so, and the SDK does not look.
		res.Header.Set("Content-Type", "application/json")
	}
	e.giveUpIfTooLate(req.Context(), res)
	return res, nil
}

// breakOff notes why an attempt got no answer, unless the caller ended it.
func (e *exchange) breakOff(ctx context.Context, err error) {
	if ctx.Err() == nil {
		e.broken = err
	}
}

// giveUpIfTooLate tells the SDK not to wait for longer than there is time: the
// caller then learns the cause now, and not a timeout later.
func (e *exchange) giveUpIfTooLate(ctx context.Context, res *http.Response) {
	deadline, limited := ctx.Deadline()
	wait, asked := retryAfter(res.Header)
	if limited && asked && e.failed() && time.Now().Add(wait).After(deadline) {
		e.tooLate = wait
		res.Header.Set("X-Should-Retry", "false")
	}
}

// retryAfter returns how long a provider asks to wait. What it does not
// understand it leaves to the SDK.
func retryAfter(header http.Header) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second)), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at), true
	}
	return 0, false
}
