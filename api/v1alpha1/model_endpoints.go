package v1alpha1

// Endpoint is the base URL of the provider, nil without this block.
func (c *OpenAIModelConfig) Endpoint() *ValueSource {
	if c == nil {
		return nil
	}
	return &c.BaseURL
}

// Endpoint is the base URL of the provider, nil without this block.
func (c *AzureModelConfig) Endpoint() *ValueSource {
	if c == nil {
		return nil
	}
	return &c.BaseURL
}

// Endpoint is the base URL of the provider, nil without this block, or if it is the
// one of the region.
func (c *BedrockModelConfig) Endpoint() *ValueSource {
	if c == nil {
		return nil
	}
	return c.BaseURL
}

// Endpoint is the base URL of the provider, nil without this block.
func (c *AnthropicModelConfig) Endpoint() *ValueSource {
	if c == nil {
		return nil
	}
	return &c.BaseURL
}
