package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ValueSource is a text that stands in the manifest or is looked up when it is
// needed. If both are given, value wins.
type ValueSource struct {
	// Value is the text itself.
	// +optional
	Value string `json:"value,omitempty"`
	// ValueFrom says where the text is looked up.
	// +optional
	ValueFrom *ValueFromSource `json:"valueFrom,omitempty"`
}

// ValueFromSource names one place that a text is looked up in.
type ValueFromSource struct {
	// SecretKeyRef takes the text from a key of a Secret in the same namespace.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
	// ConfigMapKeyRef takes the text from a key of a ConfigMap in the same namespace.
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
	// ServiceRef makes a URL that leads to a Service. It fits only where an
	// address is meant.
	// +optional
	ServiceRef *ServiceReference `json:"serviceRef,omitempty"`
	// QueryParameterRef takes the text from a parameter of the Query that is being
	// executed.
	// +optional
	QueryParameterRef *QueryParameterReference `json:"queryParameterRef,omitempty"`
}

// ServiceReference leads to a Service. It becomes a URL of the form
// http://NAME.NAMESPACE.svc.cluster.local:PORT/PATH, or https for port 443.
type ServiceReference struct {
	// Name of the Service.
	Name string `json:"name"`
	// Namespace of the Service; the namespace of the referring object if empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Port of the Service, by name or by number. If empty, the URL has no port.
	// +optional
	Port string `json:"port,omitempty"`
	// Path that is appended to the URL, such as "/v1".
	// +optional
	Path string `json:"path,omitempty"`
}

// QueryParameterReference names a parameter of the Query that is being executed.
// That parameter must have a direct value.
type QueryParameterReference struct {
	// Name of the Query's parameter.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
}

// Parameter is a named text that templates and tools refer to. It has either a
// value or a valueFrom.
type Parameter struct {
	// Name that templates use: {{ .name }}.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Value is the text itself.
	// +optional
	Value string `json:"value,omitempty"`
	// ValueFrom says where the text is looked up.
	// +optional
	ValueFrom *ValueFromSource `json:"valueFrom,omitempty"`
}

// Header is an HTTP header that is sent with a request.
type Header struct {
	// Name of the header, such as "Authorization".
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Value of the header.
	Value HeaderValue `json:"value"`
}

// HeaderValue is the value of an HTTP header: a text or where it is looked up.
type HeaderValue struct {
	// Value is the text itself.
	// +optional
	Value string `json:"value,omitempty"`
	// ValueFrom says where the text is looked up.
	// +optional
	ValueFrom *HeaderValueSource `json:"valueFrom,omitempty"`
}

// HeaderValueSource names one place that the value of a header is looked up in.
type HeaderValueSource struct {
	// SecretKeyRef takes the value from a key of a Secret in the same namespace.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
	// ConfigMapKeyRef takes the value from a key of a ConfigMap in the same namespace.
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
	// QueryParameterRef takes the value from a parameter of the Query that is being
	// executed.
	// +optional
	QueryParameterRef *QueryParameterReference `json:"queryParameterRef,omitempty"`
}

// OverrideResourceType says which kind of object an Override is for.
// +enum
// +kubebuilder:validation:Enum=model;mcpserver
type OverrideResourceType string

// The kinds of objects that an Override can be for.
const (
	// OverrideModel adds headers to the calls of Models.
	OverrideModel OverrideResourceType = "model"
	// OverrideMCPServer adds headers to the calls of MCPServers.
	OverrideMCPServer OverrideResourceType = "mcpserver"
)

// Override adds headers to the calls that are made to some Models or MCPServers.
// A header that the object itself has under the same name is replaced.
type Override struct {
	// Headers that are added.
	// +listType=atomic
	Headers []Header `json:"headers"`
	// ResourceType is the kind of the objects: model or mcpserver.
	ResourceType OverrideResourceType `json:"resourceType"`
	// LabelSelector picks the objects by their labels; all of the kind if absent.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// ToolApprovalTimeoutAction says what becomes of a call that nobody approved.
// +enum
// +kubebuilder:validation:Enum=reject;proceed
type ToolApprovalTimeoutAction string

// What becomes of a call that nobody approved in time.
const (
	// ApprovalReject refuses the call.
	ApprovalReject ToolApprovalTimeoutAction = "reject"
	// ApprovalProceed makes the call.
	ApprovalProceed ToolApprovalTimeoutAction = "proceed"
)

// ToolApprovalConfig says whether a human must agree before a tool is called.
// An Agent may set its own timeout and onTimeout for a Tool that asks for
// approval, but can neither lift that demand nor narrow its argumentMatches.
type ToolApprovalConfig struct {
	// Required holds every matching call back until it is approved.
	// +optional
	Required bool `json:"required,omitempty"`
	// Timeout is how long to wait for an answer; without it, until the Query ends.
	// +optional
	Timeout Duration `json:"timeout,omitempty"`
	// OnTimeout says what happens to a call that nobody answered in time.
	// +default="reject"
	// +optional
	OnTimeout ToolApprovalTimeoutAction `json:"onTimeout,omitempty"`
	// ArgumentMatches limits the demand to calls whose arguments match: a regular
	// expression (RE2) by argument name, all of which must match. Without it,
	// every call needs approval.
	// +optional
	ArgumentMatches map[string]string `json:"argumentMatches,omitempty"`
}
