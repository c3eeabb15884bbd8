package query

import apierrors "k8s.io/apimachinery/pkg/api/errors"

// gone tells whether the very object that was to be deleted is no longer there:
// it was deleted, or another one has its name (the precondition says Conflict).
func gone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err)
}
