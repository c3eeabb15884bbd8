package v1prealpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"mckinsey.com/ark/api/v1alpha1"
)

// GroupVersion is the group and version of the kinds in this package.
var GroupVersion = schema.GroupVersion{Group: v1alpha1.GroupName, Version: "v1prealpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated code expects.
var SchemeGroupVersion = GroupVersion

var (
	// SchemeBuilder collects what AddToScheme registers.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaultingFuncs)
	// AddToScheme registers the kinds, their lists and their defaults.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Resource returns the group resource of a plural name of this group.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}

// Types returns an empty object of every kind and list kind in this package.
func Types() []runtime.Object {
	return []runtime.Object{
		&A2AServer{}, &A2AServerList{},
		&ExecutionEngine{}, &ExecutionEngineList{},
	}
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, Types()...)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
