package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A2ATaskPhase is the state of an A2ATask in one word.
// +enum
// +kubebuilder:validation:Enum=pending;assigned;running;input-required;auth-required;completed;failed;cancelled;unknown
type A2ATaskPhase string

// The phases of an A2ATask. completed, failed and cancelled are terminal.
const (
	A2ATaskPending       A2ATaskPhase = "pending"
	A2ATaskAssigned      A2ATaskPhase = "assigned"
	A2ATaskRunning       A2ATaskPhase = "running"
	A2ATaskInputRequired A2ATaskPhase = "input-required"
	A2ATaskAuthRequired  A2ATaskPhase = "auth-required"
	A2ATaskCompleted     A2ATaskPhase = "completed"
	A2ATaskFailed        A2ATaskPhase = "failed"
	A2ATaskCancelled     A2ATaskPhase = "cancelled"
	A2ATaskUnknown       A2ATaskPhase = "unknown"
)

// IsTerminal tells whether a task in this phase is asked for no more.
func (p A2ATaskPhase) IsTerminal() bool {
	return p == A2ATaskCompleted || p == A2ATaskFailed || p == A2ATaskCancelled
}

// A2AProtocolState is the state that the A2A server gave a task.
// +enum
// +kubebuilder:validation:Enum=submitted;working;input-required;completed;canceled;failed;rejected;auth-required;unknown
type A2AProtocolState string

// The states of a task in the A2A protocol.
const (
	A2AStateSubmitted     A2AProtocolState = "submitted"
	A2AStateWorking       A2AProtocolState = "working"
	A2AStateInputRequired A2AProtocolState = "input-required"
	A2AStateCompleted     A2AProtocolState = "completed"
	A2AStateCanceled      A2AProtocolState = "canceled"
	A2AStateFailed        A2AProtocolState = "failed"
	A2AStateRejected      A2AProtocolState = "rejected"
	A2AStateAuthRequired  A2AProtocolState = "auth-required"
	A2AStateUnknown       A2AProtocolState = "unknown"
)

// A2APartKind says what a part of an A2A message holds.
// +enum
// +kubebuilder:validation:Enum=text;file;data
type A2APartKind string

// The kinds of parts.
const (
	A2APartText A2APartKind = "text"
	A2APartFile A2APartKind = "file"
	A2APartData A2APartKind = "data"
)

// A2ARole says who sent an A2A message.
// +enum
// +kubebuilder:validation:Enum=user;agent;system
type A2ARole string

// The senders of A2A messages.
const (
	A2ARoleUser   A2ARole = "user"
	A2ARoleAgent  A2ARole = "agent"
	A2ARoleSystem A2ARole = "system"
)

// QueryRef names a Query.
type QueryRef struct {
	// Name of the Query.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the Query; the namespace of the referring object if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// A2AServerRef names an A2AServer.
type A2AServerRef struct {
	// Name of the A2AServer.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the A2AServer; the namespace of the A2ATask if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// A2AAgentRef names the Agent that a task was given to.
type A2AAgentRef struct {
	// Name of the Agent.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of the Agent; the namespace of the A2ATask if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// A2APart is one piece of a message or artifact.
type A2APart struct {
	// Kind says which of the fields below holds the content.
	Kind A2APartKind `json:"kind"`
	// Text of a text part.
	// +optional
	Text string `json:"text,omitempty"`
	// Data of a data or file part: JSON, or base64.
	// +optional
	Data string `json:"data,omitempty"`
	// URI of a file part that is kept elsewhere.
	// +optional
	URI string `json:"uri,omitempty"`
	// MimeType of a file part.
	// +optional
	MimeType string `json:"mimeType,omitempty"`
	// Metadata of the part.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// A2AArtifact is something that a task produced.
type A2AArtifact struct {
	// ArtifactID that the A2A server gave it.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	ArtifactID string `json:"artifactId"`
	// Name for people.
	// +optional
	Name string `json:"name,omitempty"`
	// Description for people.
	// +optional
	Description string `json:"description,omitempty"`
	// Parts that it consists of.
	// +listType=atomic
	Parts []A2APart `json:"parts"`
	// Metadata of the artifact.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// A2AMessage is a message between the user and the agent of a task.
type A2AMessage struct {
	// MessageID that its sender gave it.
	// +optional
	MessageID string `json:"messageId,omitempty"`
	// Role of its sender.
	Role A2ARole `json:"role"`
	// Parts that it consists of.
	// +listType=atomic
	Parts []A2APart `json:"parts"`
	// Metadata of the message.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// A2ATaskSpec is a task that was given to an agent behind an A2AServer.
type A2ATaskSpec struct {
	// QueryRef names the Query that waits for the task.
	QueryRef QueryRef `json:"queryRef"`
	// A2AServerRef names the server that runs the task.
	A2AServerRef A2AServerRef `json:"a2aServerRef"`
	// AgentRef names the Agent that the task was given to.
	AgentRef A2AAgentRef `json:"agentRef"`
	// TaskID that the server gave the task.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	TaskID string `json:"taskId"`
	// ContextID of the conversation that the task belongs to.
	// +optional
	ContextID string `json:"contextId,omitempty"`
	// Input that the task was given.
	// +optional
	Input string `json:"input,omitempty"`
	// Parameters that the task was given.
	// +optional
	Parameters map[string]string `json:"parameters,omitempty"`
	// Priority of the task: higher is sooner.
	// +default=0
	// +optional
	Priority int32 `json:"priority"`
	// Timeout after which the task is given up.
	// +default="12h"
	// +optional
	Timeout Duration `json:"timeout,omitempty"`
	// TTL is how long the finished task is kept.
	// +default="720h"
	// +optional
	TTL Duration `json:"ttl,omitempty"`
	// PollInterval between two questions after the task's state.
	// +default="5s"
	// +optional
	PollInterval Duration `json:"pollInterval,omitempty"`
}

// A2ATaskStatus is how far a task has come, and what it produced.
type A2ATaskStatus struct {
	// Phase is the task's state in one word. completed, failed and cancelled are final.
	// +default="pending"
	// +optional
	Phase A2ATaskPhase `json:"phase,omitempty"`
	// Conditions: Completed turns True when the task has ended.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// StartTime is when the server began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// CompletionTime is when the task ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// Error of a task that failed.
	// +optional
	Error string `json:"error,omitempty"`
	// ProtocolState is the state that the server gave the task.
	// +optional
	ProtocolState A2AProtocolState `json:"protocolState,omitempty"`
	// ContextID of the conversation that the task belongs to.
	// +optional
	ContextID string `json:"contextId,omitempty"`
	// Artifacts that the task produced.
	// +listType=atomic
	// +optional
	Artifacts []A2AArtifact `json:"artifacts,omitempty"`
	// History of the task's messages.
	// +listType=atomic
	// +optional
	History []A2AMessage `json:"history,omitempty"`
	// ProtocolMetadata that the server attached to the task.
	// +optional
	ProtocolMetadata map[string]string `json:"protocolMetadata,omitempty"`
	// LastStatusMessage that came with the task's state.
	// +optional
	LastStatusMessage *A2AMessage `json:"lastStatusMessage,omitempty"`
	// LastStatusTimestamp that came with the task's state, as the server wrote it.
	// +optional
	LastStatusTimestamp string `json:"lastStatusTimestamp,omitempty"`
}

// A2ATask is a task that runs on behind an A2AServer, or waits for a person, while
// a Query waits for it.
//
// +kubebuilder:resource:path=a2atasks,singular=a2atask,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Query",type=string,JSONPath=`.spec.queryRef.name`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentRef.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type A2ATask struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the task that was given.
	Spec A2ATaskSpec `json:"spec,omitempty"`
	// Status is how far the task has come, and what it produced.
	// +optional
	Status A2ATaskStatus `json:"status,omitempty,omitzero"`
}

// A2ATaskList is a list of A2ATasks.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type A2ATaskList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []A2ATask `json:"items"`
}
