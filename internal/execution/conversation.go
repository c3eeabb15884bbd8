package execution

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

// maxConversation bounds the text of one conversation, in bytes: no model takes
// as much, and a worker holds thousands of them.
const maxConversation = 16 << 20

// conversation is a talk with one model.
type conversation struct {
	*run
	modelName string
	provider  model.Provider

	messages []model.Message
	made     []model.Message // what this execution added: answers and results
	told     int             // how many messages have been recorded
	size     int
}

// openModel begins a conversation with a Model. Each list of overrides replaces
// headers of the lists before it.
func (x *run) openModel(ctx context.Context, namespace, name string, overrides ...[]arkv1alpha1.Override) (*conversation, error) {
	var m arkv1alpha1.Model
	if err := x.get(ctx, "Model", namespace, name, &m); err != nil {
		return nil, err
	}
	headers, err := x.overrideHeaders(ctx, &m, overrides)
	if err != nil {
		return nil, err
	}
	provider, err := x.models.Open(ctx, &m, x.values, headers)
	if err != nil {
		x.warn(warnModel, err)
		return nil, err
	}
	return &conversation{run: x, modelName: name, provider: provider}, nil
}

// overrideHeaders collects the headers of the overrides that are for m.
func (x *run) overrideHeaders(ctx context.Context, m *arkv1alpha1.Model, lists [][]arkv1alpha1.Override) (http.Header, error) {
	headers := http.Header{}
	for _, list := range lists {
		for i, override := range list {
			applies, err := isFor(override, m.Labels)
			if err != nil {
				return nil, fmt.Errorf("overrides[%d]: %w", i, err)
			}
			if !applies {
				continue
			}
			if err := x.values.Headers(ctx, override.Headers, headers); err != nil {
				x.warnParameter(err)
				return nil, fmt.Errorf("overrides[%d]: %w", i, err)
			}
		}
	}
	return headers, nil
}

func isFor(override arkv1alpha1.Override, of labels.Set) (bool, error) {
	if override.ResourceType != arkv1alpha1.OverrideModel {
		return false, nil
	}
	if override.LabelSelector == nil {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(override.LabelSelector)
	if err != nil {
		return false, fmt.Errorf("labelSelector: %w", err)
	}
	return selector.Matches(of), nil
}

// add appends a message that the model has not said.
func (c *conversation) add(messages ...model.Message) {
	for _, m := range messages {
		c.messages = append(c.messages, m)
		c.size += len(m.Content)
		for _, call := range m.ToolCalls {
			c.size += len(call.Function.Arguments)
		}
	}
}

// addMade appends messages that belong into the Query's raw response.
func (c *conversation) addMade(messages ...model.Message) {
	c.add(messages...)
	c.made = append(c.made, messages...)
}

// sent and received are how a model turn is recorded.
type sent struct {
	Messages []model.Message `json:"messages"`
	Tools    []string        `json:"tools,omitempty"`
}

type received struct {
	Message      model.Message `json:"message"`
	FinishReason string        `json:"finishReason,omitempty"`
}

// complete asks for the model's next message, appends and records it.
func (c *conversation) complete(ctx context.Context, tools []model.Tool, output *model.OutputSchema) (model.Message, error) {
	if c.size > maxConversation {
		return model.Message{}, fmt.Errorf("the conversation with model %q has grown larger than %d MiB", c.modelName, maxConversation>>20)
	}
	request := sent{Messages: c.messages[c.told:]}
	for _, tool := range tools {
		request.Tools = append(request.Tools, tool.Name)
	}
	turn := Turn{Kind: TurnModel, Name: c.modelName, Started: c.clock.Now()}
	end := c.begin(modelCall, "model", c.modelName)
	response, err := c.provider.Complete(ctx, model.Request{Messages: c.messages, Tools: tools, Output: output})
	turn.Ended = c.clock.Now()
	end(err)
	c.told = len(c.messages)
	if err != nil {
		if context.Cause(ctx) == nil {
			c.warn(warnModel, err)
		}
		return model.Message{}, errors.Join(err, c.record(ctx, turn, request, nil, err))
	}
	turn.PromptTokens, turn.CompletionTokens = response.Usage.Prompt, response.Usage.Completion
	c.addUsage(response.Usage)
	c.addMade(response.Message)
	c.told = len(c.messages)
	return response.Message, c.record(ctx, turn, request, received{response.Message, response.FinishReason}, nil)
}
