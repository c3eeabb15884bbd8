package v1alpha1

import (
	"testing"

	"k8s.io/utils/ptr"
)

func TestValidateModel(t *testing.T) {
	t.Parallel()
	text := ValueSource{Value: "v"}
	valid := func() *Model {
		return &Model{ObjectMeta: meta("m"), Spec: ModelSpec{
			Model: text, Type: ModelTypeCompletions, Provider: ProviderOpenAI, PollInterval: "1m",
			Config: ModelConfig{OpenAI: &OpenAIModelConfig{BaseURL: text, APIKey: ValueSource{ValueFrom: secret("s", "k")},
				Properties: map[string]ValueSource{"temperature": text}}},
		}}
	}
	azure := func(change func(*AzureModelConfig)) func(*Model) {
		return func(m *Model) {
			m.Spec.Provider = ProviderAzure
			m.Spec.Config = ModelConfig{Azure: &AzureModelConfig{BaseURL: text, APIVersion: &text, Auth: &AzureAuth{APIKey: &text}}}
			change(m.Spec.Config.Azure)
		}
	}
	bedrock := func(change func(*BedrockModelConfig)) func(*Model) {
		return func(m *Model) {
			m.Spec.Provider = ProviderBedrock
			m.Spec.Config = ModelConfig{Bedrock: &BedrockModelConfig{Region: &text, MaxTokens: ptr.To[int32](100), Temperature: "0.5"}}
			change(m.Spec.Config.Bedrock)
		}
	}
	runInvalid(t, valid, ValidateModel, []invalidCase[Model]{
		{"no model", func(m *Model) { m.Spec.Model = ValueSource{} }, []string{"FieldValueRequired spec.model"}},
		{"block of another provider", func(m *Model) { m.Spec.Provider = ProviderAzure }, []string{"FieldValueRequired spec.config.azure"}},
		{"pollInterval", func(m *Model) { m.Spec.PollInterval = "0s" }, []string{"FieldValueInvalid spec.pollInterval"}},
		{"openai", func(m *Model) { m.Spec.Config.OpenAI = &OpenAIModelConfig{} }, []string{"FieldValueRequired spec.config.openai.apiKey", "FieldValueRequired spec.config.openai.baseUrl"}},
		{"no config", func(m *Model) { m.Spec.Config = ModelConfig{} }, []string{"FieldValueRequired spec.config"}},
		{"property", func(m *Model) { m.Spec.Config.OpenAI.Properties["temperature"] = ValueSource{} }, []string{"FieldValueRequired spec.config.openai.properties[temperature]"}},
		{"service", func(m *Model) {
			m.Spec.Config.OpenAI.BaseURL = ValueSource{ValueFrom: &ValueFromSource{ServiceRef: &ServiceReference{}}}
		}, []string{"FieldValueRequired spec.config.openai.baseUrl.valueFrom.serviceRef.name"}},
		{"anthropic", func(m *Model) {
			m.Spec.Provider = ProviderAnthropic
			m.Spec.Config = ModelConfig{Anthropic: &AnthropicModelConfig{Version: &ValueSource{}}}
		}, []string{"FieldValueRequired spec.config.anthropic.apiKey", "FieldValueRequired spec.config.anthropic.baseUrl", "FieldValueRequired spec.config.anthropic.version"}},
		{"azure", azure(func(*AzureModelConfig) {}), nil},
		{"azure with deprecated key", azure(func(a *AzureModelConfig) { a.Auth, a.APIKey = nil, &text }), nil},
		{"azure without address", azure(func(a *AzureModelConfig) { a.BaseURL = ValueSource{} }), []string{"FieldValueRequired spec.config.azure.baseUrl"}},
		{"azure with no way", azure(func(a *AzureModelConfig) { a.Auth = &AzureAuth{} }), []string{"FieldValueRequired spec.config.azure.auth"}},
		{"azure with two ways", azure(func(a *AzureModelConfig) { a.Auth.ManagedIdentity = &AzureManagedIdentity{} }), []string{"FieldValueForbidden spec.config.azure.auth"}},
		{"azure workload identity", azure(func(a *AzureModelConfig) { a.Auth = &AzureAuth{WorkloadIdentity: &AzureWorkloadIdentity{}} }),
			[]string{"FieldValueRequired spec.config.azure.auth.workloadIdentity.clientId", "FieldValueRequired spec.config.azure.auth.workloadIdentity.tenantId"}},
		{"bedrock", bedrock(func(*BedrockModelConfig) {}), nil},
		{"bedrock key", bedrock(func(b *BedrockModelConfig) { b.AccessKeyID = &ValueSource{} }), []string{"FieldValueRequired spec.config.bedrock.accessKeyId"}},
	})
}
