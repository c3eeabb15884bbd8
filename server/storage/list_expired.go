package storage

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"
)

func expiredList() error {
	return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
}

// continueTooOld begins as clients know it from Kubernetes.
const continueTooOld = "The provided continue parameter is too old to display a consistent list result. "

// expiredContinue answers a continue token whose revision was compacted. The
// answer carries a token that continues from the same key at the newest revision,
// for clients that can live with a list of two revisions.
func expiredContinue(continueKey, prefix string) error {
	token, err := storage.EncodeContinue(continueKey, prefix, -1)
	if err != nil {
		klog.Background().Error(err, "Cannot make a continue token", "key", continueKey)
		return apierrors.NewResourceExpired(continueTooOld + "Start a new list without it.")
	}
	status := apierrors.NewResourceExpired(continueTooOld + "Start a new list without it, or go on with " +
		"the continue token of this response: what changed since the first page may then be missing or doubled.")
	status.ErrStatus.ListMeta.Continue = token
	return status
}
