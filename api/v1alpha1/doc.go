// Package v1alpha1 holds the kinds of the API group ark.mckinsey.com at version
// v1alpha1: what a client may write, what it may read, and the defaults,
// migrations and checks that need nothing but the object itself.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=com.mckinsey.ark.v1alpha1
// +groupName=ark.mckinsey.com
package v1alpha1
