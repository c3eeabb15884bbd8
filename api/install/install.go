// Package install registers the Ark API group with a scheme.
package install

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
)

// InternalGroupVersion is the version that an API server's codecs convert to. The
// Go types of the external versions stand for it: each kind is in one version, so
// there is nothing to convert.
var InternalGroupVersion = schema.GroupVersion{Group: v1alpha1.GroupName, Version: runtime.APIVersionInternal}

// AddToScheme registers both external versions, their defaults, and their order.
// It is what a client needs.
func AddToScheme(scheme *runtime.Scheme) error {
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register %s: %w", v1alpha1.GroupVersion, err)
	}
	if err := v1prealpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register %s: %w", v1prealpha1.GroupVersion, err)
	}
	if err := scheme.SetVersionPriority(v1alpha1.GroupVersion, v1prealpha1.GroupVersion); err != nil {
		return fmt.Errorf("order the versions of %s: %w", v1alpha1.GroupName, err)
	}
	return nil
}

// AddInternalToScheme registers the same Go types as the internal version too. It
// is what an API server needs beside AddToScheme, and after it: a Go type then
// stands for two versions, of which the external one is named first.
func AddInternalToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(InternalGroupVersion, v1alpha1.Types()...)
	scheme.AddKnownTypes(InternalGroupVersion, v1prealpha1.Types()...)
	return nil
}
