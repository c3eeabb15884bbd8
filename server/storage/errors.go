package storage

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
)

// retryAfterSeconds is when a client may try again what was certainly not done.
const retryAfterSeconds = 1

// interpret makes an error of the store one that the API can give. Trouble with
// the database is 503 or 504, never 404 or 409: a controller that is told "not
// found" believes it. What the database said goes to the log, since it may name
// hosts and users.
func (s *Storage) interpret(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnknownOutcome):
		s.logTrouble(ctx, err)
		return apierrors.NewTimeoutError("the outcome of the write is unknown: it may have happened, or happen yet", 0)
	case errors.Is(err, store.ErrExpired):
		return apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.")
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return err
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed), pg.IsUnavailable(err):
		s.logTrouble(ctx, err)
		return newUnavailable()
	case errors.Is(err, context.DeadlineExceeded), pg.IsTimeout(err):
		s.logTrouble(ctx, err)
		return apierrors.NewTimeoutError("the database did not answer in time", 0)
	}
	s.logTrouble(ctx, err)
	return apierrors.NewInternalError(errors.New("the database refused; the log of the server says why"))
}

func (s *Storage) logTrouble(ctx context.Context, err error) {
	klog.FromContext(ctx).Error(err, "Trouble with the database", "resource", s.gr)
}

func newUnavailable() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusServiceUnavailable,
		Reason:  metav1.StatusReasonServiceUnavailable,
		Message: "the database is unavailable",
		Details: &metav1.StatusDetails{RetryAfterSeconds: retryAfterSeconds},
	}}
}
