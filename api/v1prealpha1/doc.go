// Package v1prealpha1 holds the kinds of the API group ark.mckinsey.com at version
// v1prealpha1: servers and engines outside the cluster's own objects, whose shape
// may still change.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=com.mckinsey.ark.v1prealpha1
// +groupName=ark.mckinsey.com
package v1prealpha1
