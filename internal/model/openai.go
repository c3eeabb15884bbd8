package model

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/valuesource"
)

// openAI speaks the chat completions API.
type openAI struct {
	name, id   string
	service    openai.ChatCompletionService
	properties map[string]any
	secrets    *valuesource.Secrets
}

func (c *Client) openOpenAI(ctx context.Context, m *arkv1alpha1.Model, values *valuesource.Resolver, overrides http.Header) (Provider, error) {
	config := m.Spec.Config.OpenAI
	if config == nil {
		return nil, fmt.Errorf("model %q: provider openai needs config.openai", m.Name)
	}
	fail := func(field string, err error) (Provider, error) {
		return nil, fmt.Errorf("model %q: %s: %w", m.Name, field, err)
	}
	id, err := values.Value(ctx, m.Spec.Model)
	if err != nil {
		return fail("spec.model", err)
	}
	id = strings.TrimSpace(id)
	base, err := baseURL(ctx, values, config.BaseURL)
	if err != nil {
		return fail("baseUrl", err)
	}
	key, err := values.Secret(ctx, config.APIKey)
	if err != nil {
		return fail("apiKey", err)
	}
	headers := http.Header{}
	if err := values.Headers(ctx, config.Headers, headers); err != nil {
		return fail("headers", err)
	}
	fields, err := properties(ctx, values, config.Properties)
	if err != nil {
		return fail("properties", err)
	}
	options := []option.RequestOption{
		option.WithBaseURL(base), option.WithAPIKey(key), option.WithHTTPClient(c.http), option.WithMaxRetries(c.maxRetries),
	}
	for _, set := range []http.Header{headers, overrides} {
		for name := range set {
			values.Secrets().AddHeader(name, set.Get(name))
			options = append(options, option.WithHeader(name, set.Get(name)))
		}
	}
	// The service and not the SDK's client: that one would add keys and headers
	// from the environment of the process to requests of its users.
	return &openAI{name: m.Name, id: id, service: openai.NewChatCompletionService(options...), properties: fields, secrets: values.Secrets()}, nil
}

// Complete implements Provider.
func (p *openAI) Complete(ctx context.Context, req Request) (*Response, error) {
	params, err := p.params(req)
	if err != nil {
		return nil, &Error{Model: p.name, ID: p.secrets.Redact(p.id), Detail: p.secrets.Redact(err.Error()), Err: redact(err, p.secrets)}
	}
	attempts, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	seen := &exchange{abandon: abandon}
	completion, err := p.service.New(attempts, params, option.WithMiddleware(seen.middleware))
	if err != nil {
		return nil, p.describe(ctx, err, seen)
	}
	if len(completion.Choices) == 0 {
		return nil, p.describe(ctx, fmt.Errorf("no choices"), seen)
	}
	return response(completion), nil
}

func (p *openAI) params(req Request) (openai.ChatCompletionNewParams, error) {
	params := openai.ChatCompletionNewParams{Model: p.id}
	for _, message := range req.Messages {
		document, err := json.Marshal(message)
		if err != nil {
			return params, fmt.Errorf("encode a message: %w", err)
		}
		// Message has the API's own JSON.
		params.Messages = append(params.Messages, param.Override[openai.ChatCompletionMessageParamUnion](json.RawMessage(document)))
	}
	for _, tool := range req.Tools {
		function := shared.FunctionDefinitionParam{Name: tool.Name}
		if tool.Description != "" {
			function.Description = param.NewOpt(tool.Description)
		}
		if err := json.Unmarshal(tool.Parameters, &function.Parameters); err != nil {
			return params, fmt.Errorf("schema of tool %q: %w", tool.Name, err)
		}
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(function))
	}
	if req.Output != nil {
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: req.Output.Name, Schema: req.Output.Schema},
		}
	}
	if len(p.properties) > 0 {
		params.SetExtraFields(p.properties)
	}
	return params, nil
}

func response(completion *openai.ChatCompletion) *Response {
	choice := completion.Choices[0]
	message := Message{Role: RoleAssistant, Content: choice.Message.Content}
	if message.Content == "" {
		message.Content = choice.Message.Refusal
	}
	for _, call := range choice.Message.ToolCalls {
		message.ToolCalls = append(message.ToolCalls, ToolCall{
			ID: call.ID, Type: "function",
			Function: FunctionCall{Name: call.Function.Name, Arguments: call.Function.Arguments},
		})
	}
	total := completion.Usage.TotalTokens
	if total == 0 { // Not every server sums up.
		total = completion.Usage.PromptTokens + completion.Usage.CompletionTokens
	}
	return &Response{
		Message:      message,
		FinishReason: choice.FinishReason,
		Usage: Usage{
			Prompt: completion.Usage.PromptTokens, Completion: completion.Usage.CompletionTokens,
			Total: total, Cached: completion.Usage.PromptTokensDetails.CachedTokens,
		},
	}
}
