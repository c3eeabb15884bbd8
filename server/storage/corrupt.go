package storage

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
)

// corruptError says that what is stored cannot be turned into an object. The
// registry may offer to delete such an object unseen.
type corruptError struct {
	what string
	rv   int64
	err  error
}

func (e *corruptError) Error() string {
	return fmt.Sprintf("%s (revision %d): %v", e.what, e.rv, e.err)
}

// Unwrap returns the error of the codec or the transformer.
func (e *corruptError) Unwrap() error { return e.err }

func (s *Storage) untransformable(err error) error {
	if err == nil || !s.unsafeDeletion {
		return err
	}
	return &corruptError{what: "data from the storage is not transformable", err: err}
}

func (s *Storage) undecodable(rv int64, err error) error {
	if err == nil || !s.unsafeDeletion {
		return err
	}
	return &corruptError{what: "object is not decodable", rv: rv, err: err}
}

// named gives a corrupt object's error its key, in the form that the registry
// looks for; other errors stay as they are.
func named(name string, err error) error {
	var corrupt *corruptError
	if errors.As(err, &corrupt) {
		return storage.NewCorruptObjError(name, corrupt)
	}
	return err
}

// listErrors decides what becomes of a list that meets an object that cannot be read.
type listErrors interface {
	// add takes an error; stop: the list is to end here.
	add(key string, err error) (stop bool)
	// result is the error of the list.
	result(schema.GroupResource) error
}

// firstError ends a list at the first error.
type firstError struct{ err error }

func newFirstError() listErrors { return &firstError{} }

func (f *firstError) add(_ string, err error) bool {
	f.err = err
	return true
}

func (f *firstError) result(schema.GroupResource) error { return f.err }

// maxCorruptErrors is how many corrupt objects a list names.
const maxCorruptErrors = 100

var errTooManyCorrupt = errors.New("too many errors, the list is truncated")

// corruptErrors collects the corrupt objects of a list, to name them all; any
// other error ends the list.
type corruptErrors struct {
	corrupt []*storage.StorageError
	end     error
}

func newCorruptErrors() listErrors { return &corruptErrors{} }

func (c *corruptErrors) add(key string, err error) bool {
	var corrupt *corruptError
	if !errors.As(err, &corrupt) {
		c.end = err
		return true
	}
	c.corrupt = append(c.corrupt, storage.NewCorruptObjError(key, corrupt))
	if len(c.corrupt) >= maxCorruptErrors {
		c.end = errTooManyCorrupt
		return true
	}
	return false
}

func (c *corruptErrors) result(gr schema.GroupResource) error {
	if len(c.corrupt) == 0 {
		return c.end
	}
	var causes []metav1.StatusCause
	for _, err := range c.corrupt {
		causes = append(causes, metav1.StatusCause{
			Type: metav1.CauseTypeUnexpectedServerResponse, Field: err.Key, Message: err.Error()})
	}
	switch {
	case errors.Is(c.end, errTooManyCorrupt):
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeTooMany, Message: c.end.Error()})
	case c.end != nil:
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeUnexpectedServerResponse, Message: c.end.Error()})
	}
	message := fmt.Sprintf("cannot read %d objects of %s, the first: %v", len(c.corrupt), gr, c.corrupt[0])
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Reason:  metav1.StatusReasonStoreReadError,
		Message: message,
		Details: &metav1.StatusDetails{Group: gr.Group, Kind: gr.Resource, Name: "list", Causes: causes},
	}}
}
