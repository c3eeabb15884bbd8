package v1alpha1

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateModel checks a Model as a user writes it. Whether the Secrets and
// addresses that it refers to can be used has to be asked elsewhere.
func ValidateModel(m *Model) field.ErrorList {
	if m.DeletionTimestamp != nil {
		return nil
	}
	spec := &m.Spec
	errs := ValidateValueSource(spec.Model, specPath.Child("model"))
	errs = append(errs, ValidateTimeSpan(spec.PollInterval, specPath.Child("pollInterval"))...)
	return append(errs, validateModelConfig(&spec.Config, spec.Provider, specPath.Child("config"))...)
}

// blocks tells which blocks of a ModelConfig are set, by the provider
// that each belongs to.
func (c *ModelConfig) blocks() map[ModelProvider]bool {
	return map[ModelProvider]bool{
		ProviderOpenAI:    c.OpenAI != nil,
		ProviderAzure:     c.Azure != nil,
		ProviderBedrock:   c.Bedrock != nil,
		ProviderAnthropic: c.Anthropic != nil,
	}
}

func validateModelConfig(c *ModelConfig, provider ModelProvider, path *field.Path) field.ErrorList {
	if *c == (ModelConfig{}) {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if present, known := c.blocks()[provider]; known && !present {
		errs = append(errs, field.Required(path.Child(string(provider)), "the provider "+string(provider)+" needs it"))
	}
	if o := c.OpenAI; o != nil {
		at := path.Child("openai")
		errs = append(errs, validateEndpoint(o.BaseURL, o.APIKey, at)...)
		errs = append(errs, validateCallOptions(o.Headers, o.Properties, at)...)
	}
	if a := c.Anthropic; a != nil {
		at := path.Child("anthropic")
		errs = append(errs, validateEndpoint(a.BaseURL, a.APIKey, at)...)
		errs = append(errs, validateOptionalValueSource(a.Version, at.Child("version"))...)
		errs = append(errs, validateCallOptions(a.Headers, a.Properties, at)...)
	}
	if c.Azure != nil {
		errs = append(errs, validateAzure(c.Azure, path.Child("azure"))...)
	}
	if c.Bedrock != nil {
		errs = append(errs, validateBedrock(c.Bedrock, path.Child("bedrock"))...)
	}
	return errs
}

func validateEndpoint(baseURL, apiKey ValueSource, path *field.Path) field.ErrorList {
	return append(ValidateValueSource(baseURL, path.Child("baseUrl")), ValidateValueSource(apiKey, path.Child("apiKey"))...)
}

func validateCallOptions(headers []Header, properties map[string]ValueSource, path *field.Path) field.ErrorList {
	errs := ValidateHeaders(headers, path.Child("headers"))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		errs = append(errs, ValidateValueSource(properties[name], path.Child("properties").Key(name))...)
	}
	return errs
}

func validateAzure(a *AzureModelConfig, path *field.Path) field.ErrorList {
	errs := ValidateValueSource(a.BaseURL, path.Child("baseUrl"))
	errs = append(errs, validateOptionalValueSource(a.APIKey, path.Child("apiKey"))...)
	errs = append(errs, validateOptionalValueSource(a.APIVersion, path.Child("apiVersion"))...)
	errs = append(errs, validateCallOptions(a.Headers, a.Properties, path)...)
	if a.Auth != nil {
		errs = append(errs, validateAzureAuth(a.Auth, path.Child("auth"))...)
	}
	return errs
}

func validateAzureAuth(a *AzureAuth, path *field.Path) field.ErrorList {
	ways := 0
	var errs field.ErrorList
	if a.APIKey != nil {
		ways++
		errs = append(errs, ValidateValueSource(*a.APIKey, path.Child("apiKey"))...)
	}
	if m := a.ManagedIdentity; m != nil {
		ways++
		errs = append(errs, validateOptionalValueSource(m.ClientID, path.Child("managedIdentity", "clientId"))...)
	}
	if w := a.WorkloadIdentity; w != nil {
		ways++
		errs = append(errs, ValidateValueSource(w.ClientID, path.Child("workloadIdentity", "clientId"))...)
		errs = append(errs, ValidateValueSource(w.TenantID, path.Child("workloadIdentity", "tenantId"))...)
	}
	switch {
	case ways == 0:
		errs = append(errs, field.Required(path, "one of apiKey, managedIdentity and workloadIdentity is needed"))
	case ways > 1:
		errs = append(errs, field.Forbidden(path, "only one of apiKey, managedIdentity and workloadIdentity may be set"))
	}
	return errs
}

func validateBedrock(b *BedrockModelConfig, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, source := range []struct {
		name  string
		value *ValueSource
	}{
		{"region", b.Region}, {"baseUrl", b.BaseURL}, {"accessKeyId", b.AccessKeyID},
		{"secretAccessKey", b.SecretAccessKey}, {"sessionToken", b.SessionToken}, {"modelArn", b.ModelARN},
	} {
		errs = append(errs, validateOptionalValueSource(source.value, path.Child(source.name))...)
	}
	return append(errs, validateCallOptions(nil, b.Properties, path)...)
}
