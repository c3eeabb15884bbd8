package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

// runAgent answers input as an Agent, and tells of it.
func (x *run) runAgent(ctx context.Context, name, input string) (answer, error) {
	end := x.begin(agentExecution, "agent", name)
	result, err := x.answerAs(ctx, name, input)
	end(err)
	return result, err
}

// answerAs answers input with an Agent's prompt, model and tools.
func (x *run) answerAs(ctx context.Context, name, input string) (answer, error) {
	var agent arkv1alpha1.Agent
	if err := x.get(ctx, "Agent", x.query.Namespace, name, &agent); err != nil {
		return answer{}, err
	}
	if engine := agent.Spec.ExecutionEngine; engine != nil {
		return answer{}, fmt.Errorf("agent %q: execution engines (here %q) are not supported in this release", name, engine.Name)
	}
	prompt, err := x.prompt(ctx, &agent)
	if err != nil {
		return answer{}, fmt.Errorf("agent %q: %w", name, err)
	}
	output, err := outputSchema(&agent)
	if err != nil {
		return answer{}, fmt.Errorf("agent %q: %w", name, err)
	}
	tools, err := x.loadTools(ctx, &agent)
	if err != nil {
		return answer{}, fmt.Errorf("agent %q: %w", name, err)
	}
	talk, err := x.openAgentModel(ctx, &agent)
	if err != nil {
		return answer{}, fmt.Errorf("agent %q: %w", name, err)
	}
	if prompt != "" {
		talk.add(model.Message{Role: model.RoleSystem, Content: prompt})
	}
	talk.add(model.Message{Role: model.RoleUser, Content: input})
	result, err := talk.loop(ctx, tools, output)
	if err != nil {
		return answer{}, fmt.Errorf("agent %q: %w", name, err)
	}
	return result, nil
}

// prompt returns the system message. Like the input of a Query it is a template
// only if there are parameters.
func (x *run) prompt(ctx context.Context, agent *arkv1alpha1.Agent) (string, error) {
	if len(agent.Spec.Parameters) == 0 {
		return agent.Spec.Prompt, nil
	}
	parameters, err := x.values.Parameters(ctx, agent.Spec.Parameters)
	if err != nil {
		x.warnParameter(err)
		return "", err
	}
	text, err := render(ctx, "prompt", agent.Spec.Prompt, parameters)
	if err != nil {
		x.warnParameter(err)
	}
	return text, err
}

func (x *run) openAgentModel(ctx context.Context, agent *arkv1alpha1.Agent) (*conversation, error) {
	namespace, name := agent.Namespace, arkv1alpha1.DefaultName
	if ref := agent.Spec.ModelRef; ref != nil {
		name = ref.Name
		if ref.Namespace != "" {
			namespace = ref.Namespace
		}
	}
	if err := x.reach(namespace); err != nil {
		return nil, fmt.Errorf("modelRef: %w", err)
	}
	return x.openModel(ctx, namespace, name, agent.Spec.Overrides, x.query.Spec.Overrides)
}

// loop lets the model speak and call tools until it has nothing more to call.
func (c *conversation) loop(ctx context.Context, tools *toolset, output *model.OutputSchema) (answer, error) {
	for range c.maxTurns {
		message, err := c.complete(ctx, tools.definitions, output)
		if err != nil {
			return answer{}, err
		}
		if len(message.ToolCalls) == 0 {
			return answer{content: message.Content, messages: c.made}, nil
		}
		results, err := tools.callAll(ctx, message.ToolCalls)
		if err != nil {
			return answer{}, err
		}
		for _, result := range results {
			c.addMade(model.Message{Role: model.RoleTool, ToolCallID: result.id, Content: result.text})
		}
		if last, terminated := termination(results); terminated {
			if last == "" {
				last = message.Content
			}
			return answer{content: last, messages: c.made}, nil
		}
	}
	return answer{}, fmt.Errorf("no answer after %d turns, the most that are allowed", c.maxTurns)
}

// maxNameLength is what OpenAI allows for the names of schemas and functions.
const maxNameLength = 64

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// apiName makes a name that providers accept.
func apiName(name string) string {
	name = notInNames.ReplaceAllString(name, "_")
	return name[:min(len(name), maxNameLength)]
}

func outputSchema(agent *arkv1alpha1.Agent) (*model.OutputSchema, error) {
	if agent.Spec.OutputSchema == nil || len(agent.Spec.OutputSchema.Raw) == 0 {
		return nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal(agent.Spec.OutputSchema.Raw, &object); err != nil {
		return nil, fmt.Errorf("outputSchema is not a JSON object: %w", err)
	}
	name := apiName(fmt.Sprintf("namespace-%s-agent-%s", agent.Namespace, agent.Name))
	return &model.OutputSchema{Name: name, Schema: agent.Spec.OutputSchema.Raw}, nil
}
