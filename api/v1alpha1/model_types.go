package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ModelType says what a Model is asked for.
// +enum
// +kubebuilder:validation:Enum=completions;openai;azure;bedrock;anthropic
type ModelType string

// The types of Models. Only completions is not deprecated: the others are the
// names of providers, and a migration moves them to spec.provider.
const (
	ModelTypeCompletions ModelType = "completions"
	ModelTypeOpenAI      ModelType = "openai"
	ModelTypeAzure       ModelType = "azure"
	ModelTypeBedrock     ModelType = "bedrock"
	ModelTypeAnthropic   ModelType = "anthropic"
)

// ModelProvider says whose protocol a Model speaks.
// +enum
// +kubebuilder:validation:Enum=openai;azure;bedrock;anthropic
type ModelProvider string

// The providers that a Model can have.
const (
	ProviderOpenAI    ModelProvider = "openai"
	ProviderAzure     ModelProvider = "azure"
	ProviderBedrock   ModelProvider = "bedrock"
	ProviderAnthropic ModelProvider = "anthropic"
)

// ConditionModelAvailable tells whether a Model answered its last probe.
const ConditionModelAvailable = "ModelAvailable"

// ReasonModelProbeFailed is the reason of a Model that did not answer.
const ReasonModelProbeFailed = "ModelProbeFailed"

// OpenAIModelConfig reaches a model over the chat completions API of OpenAI, or of
// anything else that speaks it.
type OpenAIModelConfig struct {
	// BaseURL of the API, up to and with the version, such as
	// https://api.openai.com/v1.
	BaseURL ValueSource `json:"baseUrl"`
	// APIKey that is sent as bearer token.
	APIKey ValueSource `json:"apiKey"`
	// Headers that are sent with every call.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// Properties of every call, such as temperature or max_tokens. A value that is
	// JSON is sent as such, any other as a text.
	// +optional
	Properties map[string]ValueSource `json:"properties,omitempty"`
}

// AzureManagedIdentity signs in with the identity of the machine.
type AzureManagedIdentity struct {
	// ClientID of a user-assigned identity; the system-assigned one if absent.
	// +optional
	ClientID *ValueSource `json:"clientId,omitempty"`
}

// AzureWorkloadIdentity signs in with the federated token of a ServiceAccount.
type AzureWorkloadIdentity struct {
	// ClientID of the application or identity that trusts the token.
	ClientID ValueSource `json:"clientId"`
	// TenantID of its directory.
	TenantID ValueSource `json:"tenantId"`
}

// AzureAuth is how to sign in to Azure OpenAI: exactly one way is set.
type AzureAuth struct {
	// APIKey of the resource.
	// +optional
	APIKey *ValueSource `json:"apiKey,omitempty"`
	// ManagedIdentity signs in with the identity of the machine.
	// +optional
	ManagedIdentity *AzureManagedIdentity `json:"managedIdentity,omitempty"`
	// WorkloadIdentity signs in with the federated token of a ServiceAccount.
	// +optional
	WorkloadIdentity *AzureWorkloadIdentity `json:"workloadIdentity,omitempty"`
}

// AzureModelConfig reaches a model over Azure OpenAI.
type AzureModelConfig struct {
	// BaseURL of the resource, such as https://NAME.openai.azure.com.
	BaseURL ValueSource `json:"baseUrl"`
	// Auth is how to sign in.
	// +optional
	Auth *AzureAuth `json:"auth,omitempty"`
	// APIKey of the resource. Deprecated: use auth.apiKey.
	// +optional
	APIKey *ValueSource `json:"apiKey,omitempty"`
	// APIVersion of Azure OpenAI, such as 2024-12-01-preview.
	// +optional
	APIVersion *ValueSource `json:"apiVersion,omitempty"`
	// Headers that are sent with every call.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// Properties of every call, such as temperature or max_tokens. A value that is
	// JSON is sent as such, any other as a text.
	// +optional
	Properties map[string]ValueSource `json:"properties,omitempty"`
}

// BedrockModelConfig reaches a model over the converse API of Amazon Bedrock.
type BedrockModelConfig struct {
	// Region of AWS, such as us-east-1.
	// +optional
	Region *ValueSource `json:"region,omitempty"`
	// BaseURL instead of the region's own endpoint.
	// +optional
	BaseURL *ValueSource `json:"baseUrl,omitempty"`
	// AccessKeyID of the credentials. Without it, those of the environment are used.
	// +optional
	AccessKeyID *ValueSource `json:"accessKeyId,omitempty"`
	// SecretAccessKey of the credentials.
	// +optional
	SecretAccessKey *ValueSource `json:"secretAccessKey,omitempty"`
	// SessionToken of temporary credentials.
	// +optional
	SessionToken *ValueSource `json:"sessionToken,omitempty"`
	// ModelARN of an inference profile or provisioned model, used instead of
	// spec.model.
	// +optional
	ModelARN *ValueSource `json:"modelArn,omitempty"`
	// MaxTokens of an answer.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +k8s:validation:minimum=1
	// +k8s:validation:maximum=100000
	// +optional
	MaxTokens *int32 `json:"maxTokens,omitempty"`
	// Temperature from 0 to 1, as a text.
	// +kubebuilder:validation:Pattern=`^(0(\.\d+)?|1(\.0+)?)$`
	// +k8s:validation:pattern="^(0(\\.\\d+)?|1(\\.0+)?)$"
	// +optional
	Temperature string `json:"temperature,omitempty"`
	// Properties of every call. A value that is JSON is sent as such, any other as
	// a text.
	// +optional
	Properties map[string]ValueSource `json:"properties,omitempty"`
}

// AnthropicModelConfig reaches a model over the messages API of Anthropic.
type AnthropicModelConfig struct {
	// BaseURL of the API, such as https://api.anthropic.com.
	BaseURL ValueSource `json:"baseUrl"`
	// APIKey that is sent as x-api-key.
	APIKey ValueSource `json:"apiKey"`
	// Version that is sent as anthropic-version.
	// +optional
	Version *ValueSource `json:"version,omitempty"`
	// Headers that are sent with every call.
	// +listType=atomic
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// Properties of every call, such as temperature or max_tokens. A value that is
	// JSON is sent as such, any other as a text.
	// +optional
	Properties map[string]ValueSource `json:"properties,omitempty"`
}

// ModelConfig is how to reach a model: the block of the Model's provider is needed.
type ModelConfig struct {
	// OpenAI for the provider openai.
	// +optional
	OpenAI *OpenAIModelConfig `json:"openai,omitempty"`
	// Azure for the provider azure.
	// +optional
	Azure *AzureModelConfig `json:"azure,omitempty"`
	// Bedrock for the provider bedrock.
	// +optional
	Bedrock *BedrockModelConfig `json:"bedrock,omitempty"`
	// Anthropic for the provider anthropic.
	// +optional
	Anthropic *AnthropicModelConfig `json:"anthropic,omitempty"`
}

// ModelSpec names a model and says how to reach it.
type ModelSpec struct {
	// Model is the provider's name of the model, such as gpt-4.1-mini.
	Model ValueSource `json:"model"`
	// Type of what the model is asked for. completions is the only one; the names
	// of providers are deprecated here and belong to provider.
	// +default="completions"
	// +optional
	Type ModelType `json:"type,omitempty"`
	// Provider whose protocol is spoken: openai, azure, bedrock or anthropic.
	Provider ModelProvider `json:"provider"`
	// Config is how to reach the model. It needs the block of the provider.
	Config ModelConfig `json:"config"`
	// PollInterval between two probes of the model.
	// +default="1m"
	// +optional
	PollInterval Duration `json:"pollInterval,omitempty"`
}

// ModelStatus tells whether a model can be reached.
type ModelStatus struct {
	// ResolvedAddress is the base URL that the last probe used.
	// +optional
	ResolvedAddress string `json:"resolvedAddress,omitempty"`
	// Conditions: ModelAvailable says whether the model answered its last probe.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Model is a language model of some provider, and how to reach it.
//
// +kubebuilder:resource:path=models,singular=model,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=`.spec.model.value`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="ModelAvailable")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Model struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec names the model and says how to reach it.
	Spec ModelSpec `json:"spec,omitempty"`
	// Status tells whether the model can be reached.
	// +optional
	Status ModelStatus `json:"status,omitempty,omitzero"`
}

// ModelList is a list of Models.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ModelList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Model `json:"items"`
}
