package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ToolType says how a Tool is executed.
// +enum
// +kubebuilder:validation:Enum=http;mcp;agent;team;builtin;inline
type ToolType string

// The types of Tools. Each but inline is executed by Ark itself.
const (
	ToolHTTP    ToolType = "http"
	ToolMCP     ToolType = "mcp"
	ToolAgent   ToolType = "agent"
	ToolTeam    ToolType = "team"
	ToolBuiltin ToolType = "builtin"
	ToolInline  ToolType = "inline"
)

// The builtin tools.
const (
	// BuiltinNoop returns its input.
	BuiltinNoop = "noop"
	// BuiltinTerminate ends the conversation that it is called in.
	BuiltinTerminate = "terminate"
)

// States of a Tool.
const (
	ToolStateReady   = "Ready"
	ToolStatePending = "Pending"
)

// Reasons of an inline Tool's Available condition.
const (
	ReasonRuntimeNotInstalled      = "RuntimeNotInstalled"
	ReasonConflictingNetworkPolicy = "ConflictingNetworkPolicy"
	ReasonActivatorUnavailable     = "ActivatorUnavailable"
	ReasonProvisioningFailed       = "ProvisioningFailed"
)

// HTTPMethod is a method of HTTP.
// +enum
// +kubebuilder:validation:Enum=GET;POST;PUT;DELETE;PATCH
type HTTPMethod string

// The methods that an HTTP tool can use.
const (
	MethodGet    HTTPMethod = "GET"
	MethodPost   HTTPMethod = "POST"
	MethodPut    HTTPMethod = "PUT"
	MethodDelete HTTPMethod = "DELETE"
	MethodPatch  HTTPMethod = "PATCH"
)

// InlineLanguage is the language that an inline Tool is written in.
// +enum
// +kubebuilder:validation:Enum=bash;python;node;ts
type InlineLanguage string

// The languages of inline Tools.
const (
	LanguageBash   InlineLanguage = "bash"
	LanguagePython InlineLanguage = "python"
	LanguageNode   InlineLanguage = "node"
	LanguageTS     InlineLanguage = "ts"
)

// HTTPSpec is the request that an HTTP tool makes.
type HTTPSpec struct {
	// URL of the request. {name} stands for the argument of that name, escaped.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^https?://.*`
	// +k8s:validation:minLength=1
	// +k8s:validation:pattern="^https?://.*"
	URL string `json:"url"`
	// Method of the request.
	// +default="GET"
	// +optional
	Method HTTPMethod `json:"method,omitempty"`
	// Headers of the request.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// Timeout of the request, such as 30s.
	// +kubebuilder:validation:Pattern=`^[0-9]+[smh]?$`
	// +k8s:validation:pattern="^[0-9]+[smh]?$"
	// +optional
	Timeout string `json:"timeout,omitempty"`
	// Body of the request: a Go template that refers to the arguments and to
	// bodyParameters as {{ .input.name }}.
	// +optional
	Body string `json:"body,omitempty"`
	// BodyParameters that the body may refer to beside the arguments.
	// +listType=atomic
	// +optional
	BodyParameters []Parameter `json:"bodyParameters,omitempty"`
}

// MCPServerRef names the MCPServer that has a tool.
type MCPServerRef struct {
	// Name of the MCPServer.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Namespace of the MCPServer; the namespace of the Tool if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// MCPToolRef names a tool of an MCPServer.
type MCPToolRef struct {
	// MCPServerRef names the server.
	MCPServerRef MCPServerRef `json:"mcpServerRef"`
	// ToolName is the server's name of the tool.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	ToolName string `json:"toolName"`
}

// AgentToolRef names the Agent that answers a tool's calls.
type AgentToolRef struct {
	// Name of the Agent, in the Tool's namespace.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
}

// TeamToolRef names the Team that answers a tool's calls.
type TeamToolRef struct {
	// Name of the Team, in the Tool's namespace.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
}

// BuiltinToolRef names a tool that Ark itself contains.
type BuiltinToolRef struct {
	// Name of the builtin tool: noop or terminate.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
}

// InlineToolSpec is a program that stands in the manifest. Something outside Ark
// has to run it; until it does, the Tool is Pending.
type InlineToolSpec struct {
	// Source of the program.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +k8s:validation:minLength=1
	// +k8s:validation:maxLength=65536
	Source string `json:"source"`
	// Language that the program is written in.
	Language InlineLanguage `json:"language"`
}

// ToolAnnotations are hints about what a tool does, in the words of MCP. They
// describe; nothing is enforced by them.
type ToolAnnotations struct {
	// Title for people.
	// +optional
	Title string `json:"title,omitempty"`
	// ReadOnlyHint: the tool changes nothing.
	// +optional
	ReadOnlyHint *bool `json:"readOnlyHint,omitempty"`
	// DestructiveHint: the tool may destroy something.
	// +optional
	DestructiveHint *bool `json:"destructiveHint,omitempty"`
	// IdempotentHint: calling the tool twice has the effect of calling it once.
	// +optional
	IdempotentHint *bool `json:"idempotentHint,omitempty"`
	// OpenWorldHint: the tool deals with things outside its own system.
	// +optional
	OpenWorldHint *bool `json:"openWorldHint,omitempty"`
}

// ToolSpec says what a tool is for and how it is executed.
type ToolSpec struct {
	// Type says which of the blocks below is used.
	Type ToolType `json:"type"`
	// Description that the model decides by.
	// +optional
	Description string `json:"description,omitempty"`
	// InputSchema is the JSON schema of the tool's arguments.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	InputSchema *runtime.RawExtension `json:"inputSchema,omitempty"`
	// Annotations are hints about what the tool does.
	// +optional
	Annotations *ToolAnnotations `json:"annotations,omitempty"`
	// HTTP is the request that a tool of type http makes.
	// +optional
	HTTP *HTTPSpec `json:"http,omitempty"`
	// MCP names the tool of an MCPServer, for type mcp.
	// +optional
	MCP *MCPToolRef `json:"mcp,omitempty"`
	// Agent that answers, for type agent.
	// +optional
	Agent *AgentToolRef `json:"agent,omitempty"`
	// Team that answers, for type team.
	// +optional
	Team *TeamToolRef `json:"team,omitempty"`
	// Builtin tool, for type builtin.
	// +optional
	Builtin *BuiltinToolRef `json:"builtin,omitempty"`
	// Inline program, for type inline.
	// +optional
	Inline *InlineToolSpec `json:"inline,omitempty"`
	// Approval holds every call of the tool back until a human agrees, whichever
	// Agent makes it.
	// +optional
	Approval *ToolApprovalConfig `json:"approval,omitempty"`
}

// ToolStatus tells whether a tool can be called.
type ToolStatus struct {
	// State is Ready, or Pending for what still waits for something.
	// +optional
	State string `json:"state,omitempty"`
	// Message explains the state.
	// +optional
	Message string `json:"message,omitempty"`
	// ResolvedAddress is where the tool's calls go.
	// +optional
	ResolvedAddress string `json:"resolvedAddress,omitempty"`
	// Conditions: Available says whether the tool can be called.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Tool is something that an Agent can do: an HTTP request, a tool of an MCPServer,
// another agent, a team, or something built in.
//
// +kubebuilder:resource:path=tools,singular=tool,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.type`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Tool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what the tool is for and how it is executed.
	Spec ToolSpec `json:"spec,omitempty"`
	// Status tells whether the tool can be called.
	// +optional
	Status ToolStatus `json:"status,omitempty,omitzero"`
}

// ToolList is a list of Tools.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ToolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Tool `json:"items"`
}
