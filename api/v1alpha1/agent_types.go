package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AgentToolType says what kind of tool an Agent's entry names.
// +enum
// +kubebuilder:validation:Enum=built-in;custom;mcp;http;agent;team;builtin
type AgentToolType string

// The kinds of tools that an Agent can have.
const (
	// AgentToolBuiltIn is noop or terminate, without a Tool object.
	AgentToolBuiltIn AgentToolType = "built-in"
	// AgentToolCustom is deprecated: any Tool, whatever its type.
	AgentToolCustom  AgentToolType = "custom"
	AgentToolMCP     AgentToolType = "mcp"
	AgentToolHTTP    AgentToolType = "http"
	AgentToolAgent   AgentToolType = "agent"
	AgentToolTeam    AgentToolType = "team"
	AgentToolBuiltin AgentToolType = "builtin"
)

// Reasons of an Agent's Available condition beside ReasonAvailable and
// ReasonInitializing.
const (
	ReasonModelNotFound           = "ModelNotFound"
	ReasonToolNotFound            = "ToolNotFound"
	ReasonExecutionEngineNotFound = "ExecutionEngineNotFound"
	ReasonA2AServerNotFound       = "A2AServerNotFound"
	ReasonA2AServerNotReady       = "A2AServerNotReady"
)

// AgentModelRef names the Model that an Agent thinks with.
type AgentModelRef struct {
	// Name of the Model.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the Model; the namespace of the Agent if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ExecutionEngineRef names the ExecutionEngine that runs an Agent.
type ExecutionEngineRef struct {
	// Name of the ExecutionEngine. The name a2a is reserved for Agents that were
	// discovered on an A2AServer.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the ExecutionEngine; the namespace of the Agent if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ToolFunction is a filter that is applied to what a tool returned.
type ToolFunction struct {
	// Name of the function, such as jq.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Value is the function's argument; for jq, the filter.
	// +optional
	Value string `json:"value,omitempty"`
	// ValueFrom says where the argument is looked up.
	// +optional
	ValueFrom *ValueFromSource `json:"valueFrom,omitempty"`
}

// ToolPartial shows a tool to the model under another name, and with some of its
// parameters filled in or hidden.
type ToolPartial struct {
	// Name that the model sees.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	Name string `json:"name,omitempty"`
	// Parameters that are filled in; the model does not see them. A value is a Go
	// template that may refer to the Query's parameters as {{ .Query.name }}; the
	// value nil leaves the parameter out.
	// +listType=atomic
	// +optional
	Parameters []ToolFunction `json:"parameters,omitempty"`
}

// AgentTool is a tool that an Agent may call.
type AgentTool struct {
	// Type of the tool: mcp, http, agent, team or builtin for a Tool object of that
	// type, built-in for noop or terminate without one. custom is deprecated.
	Type AgentToolType `json:"type"`
	// Name of the Tool, in the Agent's namespace. The model sees it too, unless
	// partial gives the tool another one.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	// +optional
	Name string `json:"name,omitempty"`
	// Description that the model sees instead of the Tool's own.
	// +optional
	Description string `json:"description,omitempty"`
	// Functions that are applied, in order, to what the tool returned.
	// +listType=atomic
	// +optional
	Functions []ToolFunction `json:"functions,omitempty"`
	// Partial shows the tool under another name and with parameters filled in.
	// +optional
	Partial *ToolPartial `json:"partial,omitempty"`
	// Approval holds the Agent's calls of this tool back until a human agrees.
	// +optional
	Approval *ToolApprovalConfig `json:"approval,omitempty"`
}

// AgentSpec says how an Agent thinks and what it can do.
type AgentSpec struct {
	// Prompt is the system message: who the Agent is and what it is for. It is a Go
	// template that refers to the Agent's parameters as {{ .name }}.
	// +optional
	Prompt string `json:"prompt,omitempty"`
	// Description for people, and for the agents and teams that may call on it.
	// +optional
	Description string `json:"description,omitempty"`
	// ModelRef names the Model. Without it, the Model named default, except for
	// Agents discovered on an A2AServer, which have none.
	// +optional
	ModelRef *AgentModelRef `json:"modelRef,omitempty"`
	// ExecutionEngine that runs the Agent elsewhere. Without it, Ark does.
	// +optional
	ExecutionEngine *ExecutionEngineRef `json:"executionEngine,omitempty"`
	// Tools that the Agent may call.
	// +listType=atomic
	// +optional
	Tools []AgentTool `json:"tools,omitempty"`
	// Parameters that the prompt refers to.
	// +listType=atomic
	// +optional
	Parameters []Parameter `json:"parameters,omitempty"`
	// OutputSchema is a JSON schema that the Agent's answer has to follow.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	OutputSchema *runtime.RawExtension `json:"outputSchema,omitempty"`
	// Overrides add headers to the calls that the Agent makes.
	// +listType=atomic
	// +optional
	Overrides []Override `json:"overrides,omitempty"`
}

// AgentStatus tells whether an Agent has what it needs.
type AgentStatus struct {
	// Conditions: Available says whether everything that the Agent refers to is there.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Agent is a prompt, a model and a set of tools that together answer Queries.
//
// +kubebuilder:resource:path=agents,singular=agent,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=`.spec.modelRef.name`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Agent struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says how the Agent thinks and what it can do.
	Spec AgentSpec `json:"spec,omitempty"`
	// Status tells whether the Agent has what it needs.
	// +optional
	Status AgentStatus `json:"status,omitempty,omitzero"`
}

// AgentList is a list of Agents.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type AgentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Agent `json:"items"`
}
