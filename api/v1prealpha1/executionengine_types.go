package v1prealpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Phases of an ExecutionEngine.
const (
	// EngineRunning is being resolved.
	EngineRunning = "running"
	// EngineReady has an address.
	EngineReady = "ready"
	// EngineError has no address; the message says why.
	EngineError = "error"
)

// ExecutionEngineSpec says where an engine is.
type ExecutionEngineSpec struct {
	// Address of the engine's A2A endpoint.
	Address ValueSource `json:"address"`
	// Description for people.
	// +optional
	Description string `json:"description,omitempty"`
}

// ExecutionEngineStatus tells where an engine was found.
type ExecutionEngineStatus struct {
	// LastResolvedAddress is the address as it was last resolved.
	// +optional
	LastResolvedAddress string `json:"lastResolvedAddress,omitempty"`
	// Phase is the engine's state in one word: running, ready or error.
	// +optional
	Phase string `json:"phase,omitempty"`
	// Message explains the phase.
	// +optional
	Message string `json:"message,omitempty"`
}

// ExecutionEngine runs Agents outside Ark and is spoken to over the Agent2Agent
// protocol. The name a2a is reserved.
//
// +kubebuilder:resource:path=executionengines,singular=executionengine,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.lastResolvedAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ExecutionEngine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the engine is.
	Spec ExecutionEngineSpec `json:"spec,omitempty"`
	// Status tells where the engine was found.
	// +optional
	Status ExecutionEngineStatus `json:"status,omitempty,omitzero"`
}

// ExecutionEngineList is a list of ExecutionEngines.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ExecutionEngineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ExecutionEngine `json:"items"`
}
