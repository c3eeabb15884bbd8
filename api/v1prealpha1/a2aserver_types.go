package v1prealpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mckinsey.com/ark/api/v1alpha1"
)

// ConditionReady tells whether an A2AServer answers and its Agent exists.
const ConditionReady = "Ready"

// Reasons of an A2AServer's conditions.
const (
	ReasonDiscoveryFailed     = "DiscoveryFailed"
	ReasonAgentCreationFailed = "AgentCreationFailed"
	ReasonDiscoveryComplete   = "DiscoveryComplete"
	ReasonAgentDiscovered     = "AgentDiscovered"
)

// A2AServerSpec says where an A2A server is.
type A2AServerSpec struct {
	// Address of the server.
	Address ValueSource `json:"address"`
	// Headers that are sent with every request.
	// +listType=atomic
	// +optional
	Headers []v1alpha1.Header `json:"headers,omitempty"`
	// Description for people.
	// +optional
	Description string `json:"description,omitempty"`
	// PollInterval between two readings of the server's agent card.
	// +default="1m"
	// +optional
	PollInterval v1alpha1.Duration `json:"pollInterval,omitempty"`
	// Timeout of one request.
	// +default="5m"
	// +optional
	Timeout v1alpha1.Duration `json:"timeout,omitempty"`
}

// A2AServerStatus is what was learned from an A2A server.
type A2AServerStatus struct {
	// LastResolvedAddress is the address as it was last resolved.
	// +optional
	LastResolvedAddress string `json:"lastResolvedAddress,omitempty"`
	// Conditions: Ready says whether the server answers, Discovering whether its
	// agent card is being read.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// A2AServer is a server of the Agent2Agent protocol. An Agent is created for the
// agent that it has.
//
// +kubebuilder:resource:path=a2aservers,singular=a2aserver,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Discovering",type=string,JSONPath=`.status.conditions[?(@.type=="Discovering")].status`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.lastResolvedAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type A2AServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the server is.
	Spec A2AServerSpec `json:"spec,omitempty"`
	// Status is what was learned from the server.
	// +optional
	Status A2AServerStatus `json:"status,omitempty,omitzero"`
}

// A2AServerList is a list of A2AServers.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type A2AServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []A2AServer `json:"items"`
}
