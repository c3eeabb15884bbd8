package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ArkConfigSpec is what holds for the whole cluster unless an object says otherwise.
type ArkConfigSpec struct {
	// QueryTTL is how long a finished Query is kept that names no ttl of its own.
	// +optional
	QueryTTL Duration `json:"queryTTL,omitempty"`
}

// ArkConfigStatus is empty.
type ArkConfigStatus struct{}

// ArkConfig holds the settings of the cluster. The only one that counts is named
// default.
//
// +kubebuilder:resource:path=arkconfigs,singular=arkconfig,scope=Cluster,categories=ark
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="the only ArkConfig is named default"
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="QueryTTL",type=string,JSONPath=`.spec.queryTTL`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ArkConfig struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what holds for the whole cluster.
	Spec ArkConfigSpec `json:"spec,omitempty"`
	// Status is empty.
	// +optional
	Status ArkConfigStatus `json:"status,omitempty,omitzero"`
}

// ArkConfigList is a list of ArkConfigs.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ArkConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ArkConfig `json:"items"`
}
