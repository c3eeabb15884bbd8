package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every Ark kind.
const GroupName = "ark.mckinsey.com"

// GroupVersion is the group and version of the kinds in this package.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated code expects.
var SchemeGroupVersion = GroupVersion

var (
	// SchemeBuilder collects what AddToScheme registers.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaultingFuncs, addFieldLabels)
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
		&A2ATask{}, &A2ATaskList{},
		&Agent{}, &AgentList{},
		&ArkConfig{}, &ArkConfigList{},
		&MCPServer{}, &MCPServerList{},
		&Memory{}, &MemoryList{},
		&Model{}, &ModelList{},
		&Query{}, &QueryList{},
		&Team{}, &TeamList{},
		&Tool{}, &ToolList{},
	}
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, Types()...)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
