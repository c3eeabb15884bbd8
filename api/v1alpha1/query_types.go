package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// QueryTypeUser is the type of a Query whose input is the text of a user.
const QueryTypeUser QueryType = "user"

// QueryTypeMessages is the former type of a Query whose input was a list of chat
// messages; a migration turns it into QueryTypeUser.
const QueryTypeMessages QueryType = "messages"

// QueryType says what the input of a Query is.
// +enum
// +kubebuilder:validation:Enum=user
type QueryType string

// TargetType is the kind of the object that answers a Query.
// +enum
// +kubebuilder:validation:Enum=agent;team;model;tool
type TargetType string

// The kinds that can answer a Query.
const (
	TargetAgent TargetType = "agent"
	TargetTeam  TargetType = "team"
	TargetModel TargetType = "model"
	TargetTool  TargetType = "tool"
)

// QueryPhase is the state of a Query in one word.
// +enum
// +kubebuilder:validation:Enum=pending;provisioning;queued;running;input-required;error;done;canceled
type QueryPhase string

// The phases of a Query. error, done and canceled are terminal.
const (
	// QueryPending has been created and is not yet waiting for a worker.
	QueryPending QueryPhase = "pending"
	// QueryProvisioning is accepted, never written.
	QueryProvisioning QueryPhase = "provisioning"
	// QueryQueued waits for a worker.
	QueryQueued QueryPhase = "queued"
	// QueryRunning is being executed.
	QueryRunning QueryPhase = "running"
	// QueryInputRequired waits for an approval or for an A2A task.
	QueryInputRequired QueryPhase = "input-required"
	// QueryError ended without an answer; the Completed condition says why.
	QueryError QueryPhase = "error"
	// QueryDone ended with an answer.
	QueryDone QueryPhase = "done"
	// QueryCanceled was stopped because spec.cancel was set.
	QueryCanceled QueryPhase = "canceled"
)

// IsTerminal tells whether a Query in this phase will never be executed again.
func (p QueryPhase) IsTerminal() bool {
	return p == QueryError || p == QueryDone || p == QueryCanceled
}

// Condition types of a Query beside ConditionCompleted.
const (
	// ConditionMemoryUnavailable is true if the Query ran without its memory.
	ConditionMemoryUnavailable = "MemoryUnavailable"
	// ConditionMemoryDegraded is true if the memory's messages could not be read.
	ConditionMemoryDegraded = "MemoryDegraded"
)

// Reasons of a Query's Completed condition.
const (
	ReasonQueryNotStarted     = "QueryNotStarted"
	ReasonQueryQueued         = "QueryQueued"
	ReasonQueryRunning        = "QueryRunning"
	ReasonQueryInputRequired  = "QueryInputRequired"
	ReasonQuerySucceeded      = "QuerySucceeded"
	ReasonQueryErrored        = "QueryErrored"
	ReasonQueryCanceled       = "QueryCanceled"
	ReasonTimedOutInQueue     = "TimedOutInQueue"
	ReasonTimedOutInExecution = "TimedOutInExecution"
)

// Reasons of a Query's memory conditions.
const (
	ReasonNoMemoryBackend   = "NoMemoryBackend"
	ReasonMemoryReachable   = "MemoryReachable"
	ReasonGetMessagesFailed = "GetMessagesFailed"
	ReasonMemoryHealthy     = "MemoryHealthy"
)

// QueryTarget names the object that answers a Query.
type QueryTarget struct {
	// Type is the kind of the object: agent, team, model or tool.
	Type TargetType `json:"type"`
	// Name of the object, in the Query's namespace.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
}

// MemoryRef names the Memory that keeps a conversation.
type MemoryRef struct {
	// Name of the Memory.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the Memory; the namespace of the Query if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// QuerySpec is a question, who is to answer it, and within what limits. It is
// read once, when execution begins; of later changes only cancel and ttl count.
type QuerySpec struct {
	// Type says what input is. The only type is user: a text.
	// +default="user"
	// +optional
	Type QueryType `json:"type,omitempty"`
	// Input is what is asked. If parameters are given, it is a Go template that
	// refers to them as {{ .name }}. For a tool it may be the JSON object of the
	// call's arguments, as a text.
	Input apiextensionsv1.JSON `json:"input"`
	// Parameters that the input's template and the tools, headers and prompts of
	// the target may refer to.
	// +listType=atomic
	// +optional
	Parameters []Parameter `json:"parameters,omitempty"`
	// Target is the agent, team, model or tool that answers. Either target or
	// selector is needed; target wins.
	// +optional
	Target *QueryTarget `json:"target,omitempty"`
	// Selector finds the target by labels: the first match among agents, teams,
	// models and tools, in this order.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// Memory keeps the conversation. Without it the Memory named default is used,
	// if the namespace has one.
	// +optional
	Memory *MemoryRef `json:"memory,omitempty"`
	// ServiceAccount, in the Query's namespace, whose rights the execution uses to
	// read other objects.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// SessionID joins Queries in traces and streams. The Query's uid if empty.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	SessionID string `json:"sessionId,omitempty"`
	// ConversationID continues an earlier conversation. A new one is begun if empty.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	ConversationID string `json:"conversationId,omitempty"`
	// TTL is how long a finished Query is kept. If empty, the ArkConfig's queryTTL
	// is filled in, or 720h.
	// +optional
	TTL Duration `json:"ttl,omitempty"`
	// Timeout bounds the wait for a worker, and again, afresh, the execution.
	// +default="5m"
	// +optional
	Timeout Duration `json:"timeout,omitempty"`
	// Cancel stops the Query, wherever it is. A finished Query stays as it is.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// Overrides add headers to the calls that the execution makes.
	// +listType=atomic
	// +optional
	Overrides []Override `json:"overrides,omitempty"`
}

// A2AMetadata tells which A2A conversation and task an answer came from.
type A2AMetadata struct {
	// ContextID of the A2A conversation.
	// +optional
	ContextID string `json:"contextId,omitempty"`
	// TaskID of the A2A task.
	// +optional
	TaskID string `json:"taskId,omitempty"`
}

// Response is what the target answered.
type Response struct {
	// Target that answered; useful when it was found by a selector.
	// +optional
	Target *QueryTarget `json:"target,omitempty"`
	// Content is the answer as text, or the cause of an error.
	// +optional
	Content string `json:"content,omitempty"`
	// Raw is a JSON array, as a text, of the chat messages that the execution made.
	// +optional
	Raw string `json:"raw,omitempty"`
	// Phase that the target's execution ended in.
	// +optional
	Phase string `json:"phase,omitempty"`
	// A2A tells which A2A conversation and task the answer came from.
	// +optional
	A2A *A2AMetadata `json:"a2a,omitempty"`
}

// TokenUsage is what the model calls of an execution consumed, summed up.
type TokenUsage struct {
	// PromptTokens that were sent.
	// +optional
	PromptTokens int64 `json:"promptTokens,omitempty"`
	// CompletionTokens that were received.
	// +optional
	CompletionTokens int64 `json:"completionTokens,omitempty"`
	// TotalTokens, sent and received.
	// +optional
	TotalTokens int64 `json:"totalTokens,omitempty"`
	// CachedTokens are the part of promptTokens that the provider had in its cache.
	// +optional
	CachedTokens int64 `json:"cachedTokens,omitempty"`
}

// QueryStatus is how far a Query has come, and its answer.
type QueryStatus struct {
	// Phase is the Query's state in one word. error, done and canceled are final.
	// +default="pending"
	// +optional
	Phase QueryPhase `json:"phase,omitempty"`
	// Conditions in detail. Completed turns True when the Query has ended; its
	// reason and message say how.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Response is the target's answer.
	// +optional
	Response *Response `json:"response,omitempty"`
	// TokenUsage of the execution.
	// +optional
	TokenUsage *TokenUsage `json:"tokenUsage,omitempty"`
	// ConversationID under which the conversation can be continued.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	ConversationID string `json:"conversationId,omitempty"`
	// Duration from the start of the execution to its end.
	// +optional
	Duration Duration `json:"duration,omitempty"`
}

// Query asks an agent, team, model or tool something and keeps the answer. It is
// executed once, by whichever worker takes it from the queue.
//
// +kubebuilder:resource:path=queries,singular=query,shortName=qry,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.status.duration`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.target.type`
// +kubebuilder:selectablefield:JSONPath=`.spec.target.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.sessionId`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Query struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the question, who is to answer it, and within what limits.
	Spec QuerySpec `json:"spec,omitempty"`
	// Status is how far the Query has come, and its answer.
	// +optional
	Status QueryStatus `json:"status,omitempty,omitzero"`
}

// QueryList is a list of Queries.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type QueryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Query `json:"items"`
}
