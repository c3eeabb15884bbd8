package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MemoryPhase is the state of a Memory in one word.
// +enum
// +kubebuilder:validation:Enum=running;ready;error
type MemoryPhase string

// The phases of a Memory.
const (
	// MemoryRunning is being resolved.
	MemoryRunning MemoryPhase = "running"
	// MemoryReady has an address.
	MemoryReady MemoryPhase = "ready"
	// MemoryError has no address; the message says why.
	MemoryError MemoryPhase = "error"
)

// MemorySpec says where a Memory is reached.
type MemorySpec struct {
	// Address of the HTTP service that keeps the messages.
	Address ValueSource `json:"address"`
	// Headers that are sent with every request.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
}

// MemoryStatus tells where a Memory was found.
type MemoryStatus struct {
	// LastResolvedAddress is the address as it was last resolved.
	// +optional
	LastResolvedAddress string `json:"lastResolvedAddress,omitempty"`
	// Phase is the Memory's state in one word.
	// +optional
	Phase MemoryPhase `json:"phase,omitempty"`
	// Message explains the phase.
	// +optional
	Message string `json:"message,omitempty"`
}

// Memory is a service that keeps the messages of conversations.
//
// +kubebuilder:resource:path=memories,singular=memory,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.lastResolvedAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Memory struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the Memory is reached.
	Spec MemorySpec `json:"spec,omitempty"`
	// Status tells where the Memory was found.
	// +optional
	Status MemoryStatus `json:"status,omitempty,omitzero"`
}

// MemoryList is a list of Memories.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type MemoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Memory `json:"items"`
}
