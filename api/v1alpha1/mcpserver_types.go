package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MCPTransport says how an MCP server is spoken to.
// +enum
// +kubebuilder:validation:Enum=http;sse
type MCPTransport string

// The transports of MCP.
const (
	// TransportHTTP is streamable HTTP.
	TransportHTTP MCPTransport = "http"
	// TransportSSE is the older transport over server-sent events.
	TransportSSE MCPTransport = "sse"
)

// Reasons of an MCPServer's conditions.
const (
	ReasonStarting                         = "Starting"
	ReasonClientCreationFailed             = "ClientCreationFailed"
	ReasonToolListingFailed                = "ToolListingFailed"
	ReasonServerConnectedToolListingFailed = "ServerConnectedAndToolListingFailed"
	ReasonToolCreationFailed               = "ToolCreationFailed"
	ReasonAuthorizationRequired            = "AuthorizationRequired"
	ReasonAuthorizationDiscoveryFailed     = "AuthorizationDiscoveryFailed"
	ReasonDiscoveryComplete                = "DiscoveryComplete"
	ReasonToolsDiscovered                  = "ToolsDiscovered"
)

// MCPServerSpec says where an MCP server is and how it is spoken to.
type MCPServerSpec struct {
	// Address of the server's endpoint.
	Address ValueSource `json:"address"`
	// Headers that are sent with every request.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// Timeout of connecting to the server.
	// +default="30s"
	// +optional
	Timeout Duration `json:"timeout,omitempty"`
	// ToolCallTimeout of one call of a tool.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +k8s:validation:pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	ToolCallTimeout Duration `json:"toolCallTimeout,omitempty"`
	// Transport: http (streamable) or sse.
	// +default="http"
	// +kubebuilder:validation:Required
	Transport MCPTransport `json:"transport,omitempty"`
	// Description for people.
	// +optional
	Description string `json:"description,omitempty"`
	// PollInterval between two readings of the server's tools.
	// +default="1m"
	// +optional
	PollInterval Duration `json:"pollInterval,omitempty"`
	// Authorization by OAuth, where the server asks for it.
	// +optional
	Authorization *MCPAuthorization `json:"authorization,omitempty"`
}

// MCPServerStatus is what was learned from an MCP server.
type MCPServerStatus struct {
	// ResolvedAddress is the address as it was last resolved.
	// +optional
	ResolvedAddress string `json:"resolvedAddress,omitempty"`
	// ToolCount is the number of tools that the server has.
	// +optional
	ToolCount int32 `json:"toolCount,omitempty"`
	// Authorization is what the server said about signing in.
	// +optional
	Authorization *MCPAuthorizationStatus `json:"authorization,omitempty"`
	// Conditions: Available says whether the server answers, Discovering whether its
	// tools are being read.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MCPServer is a server of the Model Context Protocol. A Tool is created for each
// tool that it has.
//
// +kubebuilder:resource:path=mcpservers,singular=mcpserver,shortName=mcps,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name="Discovering",type=string,JSONPath=`.status.conditions[?(@.type=="Discovering")].status`
// +kubebuilder:printcolumn:name="Tools",type=integer,JSONPath=`.status.toolCount`
// +kubebuilder:printcolumn:name="Auth",type=string,JSONPath=`.status.authorization.state`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type MCPServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the server is and how it is spoken to.
	Spec MCPServerSpec `json:"spec,omitempty"`
	// Status is what was learned from the server.
	// +optional
	Status MCPServerStatus `json:"status,omitempty,omitzero"`
}

// MCPServerList is a list of MCPServers.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type MCPServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []MCPServer `json:"items"`
}
