package execution

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxReadAttempts and readBackoff make up half a minute: an API server that is
// restarted, or a leader that is elected, is back by then.
const maxReadAttempts = 10

var readBackoff = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: maxReadAttempts, Cap: 5 * time.Second}

// steadyReader reads what a Query depends on. The end of a Query is final, so
// nothing that passes by itself may bring it about: a cache that does not know an
// object yet, or an API server that is away for a moment.
type steadyReader struct {
	reader client.Reader
	// live is asked when reader, a cache, does not find something; nil: reader is
	// none.
	live    client.Reader
	backoff wait.Backoff
}

// Get implements client.Reader.
func (s *steadyReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	read := func(from client.Reader) error {
		return s.retry(ctx, func() error { return from.Get(ctx, key, into, opts...) })
	}
	err := read(s.reader)
	if apierrors.IsNotFound(err) && s.live != nil {
		return read(s.live)
	}
	return err
}

// List implements client.Reader.
func (s *steadyReader) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	read := func(from client.Reader) error {
		return s.retry(ctx, func() error { return from.List(ctx, into, opts...) })
	}
	err := read(s.reader)
	if err == nil && s.live != nil && meta.LenList(into) == 0 {
		return read(s.live)
	}
	return err
}

// retry reads until that succeeds, fails for good, or has been tried for long
// enough.
func (s *steadyReader) retry(ctx context.Context, read func() error) error {
	backoff := s.backoff
	for attempt := 1; ; attempt++ {
		err := read()
		if err == nil || !passes(err) || ctx.Err() != nil {
			return err
		}
		if attempt == maxReadAttempts {
			return fmt.Errorf("given up after %d attempts: %w", attempt, err)
		}
		pause := backoff.Step()
		klog.FromContext(ctx).V(2).Info("Reading from the API will be tried again", "attempt", attempt, "pause", pause, "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; before: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// passes tells whether an error of the API may be gone a moment later. What the
// API server has decided, such as NotFound or Forbidden, is not.
func passes(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		switch status.Status().Code {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err) ||
		utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err)
}
