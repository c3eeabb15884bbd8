package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

// loadTools makes an agent's tools ready to be called. A definition that cannot
// work is an error now, not one that the model is left to puzzle over.
func (x *run) loadTools(ctx context.Context, agent *arkv1alpha1.Agent) (*toolset, error) {
	tools := x.newToolset()
	for i := range agent.Spec.Tools {
		entry := &agent.Spec.Tools[i]
		t, err := x.loadTool(ctx, agent.Namespace, entry)
		if err == nil {
			err = tools.add(t)
		}
		if err != nil {
			return nil, fmt.Errorf("tools[%d] %q: %w", i, entry.Name, err)
		}
	}
	return tools, nil
}

func (x *run) loadTool(ctx context.Context, namespace string, entry *arkv1alpha1.AgentTool) (*tool, error) {
	if len(entry.Functions) > 0 {
		return nil, errors.New("functions are not supported in this release")
	}
	if entry.Approval != nil && entry.Approval.Required {
		return nil, errApproval
	}
	t, err := x.resolveTool(ctx, namespace, entry)
	if err != nil {
		return nil, err
	}
	if entry.Description != "" {
		t.definition.Description = entry.Description
	}
	if entry.Partial != nil {
		if err := x.applyPartial(ctx, t, entry.Partial); err != nil {
			return nil, fmt.Errorf("partial: %w", err)
		}
	}
	t.definition.Name = apiName(t.definition.Name)
	return t, nil
}

var errApproval = errors.New("tools that need approval are not supported in this release")

// resolveTool finds the Tool of an agent's entry. The type of the Tool itself
// decides how it is called; builtin tools need no Tool.
//
// With partial, manifests exist in both orders: name is the Tool and partial.name
// what the model sees, or the other way round. The Tool that exists decides.
func (x *run) resolveTool(ctx context.Context, namespace string, entry *arkv1alpha1.AgentTool) (*tool, error) {
	name, shown := entry.Name, entry.Name
	if entry.Type == arkv1alpha1.AgentToolBuiltIn {
		return builtin(name)
	}
	other := ""
	if entry.Partial != nil && entry.Partial.Name != "" {
		other, shown = entry.Partial.Name, entry.Partial.Name
	}
	object, err := x.findTool(ctx, namespace, name)
	if err == nil && object == nil && other != "" {
		object, err = x.findTool(ctx, namespace, other)
		shown = name
	}
	switch {
	case err != nil:
		return nil, err
	case object == nil && entry.Type == arkv1alpha1.AgentToolBuiltin:
		return builtin(name)
	case object == nil:
		err := fmt.Errorf("the Tool %q does not exist in namespace %q", name, namespace)
		x.warn(warnDependency, err)
		return nil, err
	}
	t, err := x.bind(ctx, object)
	if err != nil {
		return nil, err
	}
	t.definition.Name = shown
	return t, nil
}

// findTool returns nil if there is no Tool of that name.
func (x *run) findTool(ctx context.Context, namespace, name string) (*arkv1alpha1.Tool, error) {
	var object arkv1alpha1.Tool
	err := x.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the Tool %q in namespace %q: %w", name, namespace, err)
	}
	return &object, nil
}

// bind makes a Tool callable.
func (x *run) bind(ctx context.Context, object *arkv1alpha1.Tool) (*tool, error) {
	if object.Spec.Approval != nil && object.Spec.Approval.Required {
		return nil, errApproval
	}
	var t *tool
	var err error
	switch object.Spec.Type {
	case arkv1alpha1.ToolHTTP:
		t, err = x.bindHTTP(ctx, object)
	case arkv1alpha1.ToolBuiltin:
		if object.Spec.Builtin == nil {
			return nil, errors.New("the Tool is of type builtin, but has no builtin block")
		}
		t, err = builtin(object.Spec.Builtin.Name)
	default:
		err = fmt.Errorf("tools of type %s are not supported in this release: only http and builtin are", object.Spec.Type)
	}
	if err != nil {
		return nil, err
	}
	t.object = object.Name
	if object.Spec.Description != "" {
		t.definition.Description = object.Spec.Description
	}
	if object.Spec.InputSchema != nil && len(object.Spec.InputSchema.Raw) > 0 {
		if t.definition.Parameters, err = parametersSchema(object.Spec.InputSchema.Raw); err != nil {
			return nil, err
		}
	}
	return t, nil
}

var noParameters = json.RawMessage(`{"type":"object","properties":{}}`)

// parametersSchema makes sure that a schema is one of an object, as providers demand.
func parametersSchema(raw []byte) (json.RawMessage, error) {
	var schema map[string]json.RawMessage
	if err := json.Unmarshal(raw, &schema); err != nil {
		return nil, fmt.Errorf("inputSchema is not a JSON object: %w", err)
	}
	if schema == nil {
		return noParameters, nil
	}
	if _, ok := schema["type"]; !ok {
		schema["type"] = json.RawMessage(`"object"`)
	}
	if _, ok := schema["properties"]; !ok {
		schema["properties"] = json.RawMessage(`{}`)
	}
	return json.Marshal(schema)
}

// builtin returns a tool that Ark itself contains.
func builtin(name string) (*tool, error) {
	switch name {
	case arkv1alpha1.BuiltinNoop:
		return &tool{
			object: name,
			definition: model.Tool{
				Name: name, Description: "Does nothing and succeeds",
				Parameters: json.RawMessage(`{"type":"object","properties":{"message":{"type":"string","description":"Is returned"}}}`),
			},
			invoke: textArgument("message", "done"),
		}, nil
	case arkv1alpha1.BuiltinTerminate:
		return &tool{
			object: name,
			definition: model.Tool{
				Name: name, Description: "Ends the conversation with a final response",
				Parameters: json.RawMessage(`{"type":"object","properties":{"response":{"type":"string","description":"The final response"}},"required":["response"]}`),
			},
			invoke: textArgument("response", ""), terminates: true,
		}, nil
	}
	return nil, fmt.Errorf("there is no builtin tool %q: only noop and terminate", name)
}

// textArgument returns one argument, or a default.
func textArgument(name, otherwise string) func(context.Context, map[string]any) (string, error) {
	return func(_ context.Context, arguments map[string]any) (string, error) {
		if value, ok := arguments[name].(string); ok && value != "" {
			return value, nil
		}
		return otherwise, nil
	}
}
