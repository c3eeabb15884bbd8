package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
	"mckinsey.com/ark/internal/valuesource"
)

// run is one execution of one Query.
type run struct {
	*Runner
	query  *arkv1alpha1.Query
	reader client.Reader
	values *valuesource.Resolver
	models *model.Client
	target *arkv1alpha1.QueryTarget // nil until it is known

	mu       sync.Mutex // guards what follows
	recorder Recorder
	turns    int
	usage    model.Usage
}

func newRun(r *Runner, q *arkv1alpha1.Query, rec Recorder) *run {
	x := &run{Runner: r, query: q, recorder: rec}
	x.use(r.reader)
	return x
}

// use makes all further reads with another reader.
func (x *run) use(reader client.Reader) {
	x.reader = reader
	x.values = valuesource.ForQuery(reader, x.query)
	if x.mayCross() {
		x.values = x.values.AcrossNamespaces()
	}
	x.models = model.New(model.Options{Reader: reader, HTTP: x.http.Model, MaxRetries: x.modelRetries})
}

// answer is what a target said.
type answer struct {
	content string
	// messages are those that the execution made, without what it was given.
	messages []model.Message
}

func (x *run) execute(ctx context.Context) (answer, error) {
	if account := x.query.Spec.ServiceAccount; account != "" {
		if x.readerFor == nil {
			return answer{}, fmt.Errorf("spec.serviceAccount %q: executing with the rights of a ServiceAccount is not supported by this server", account)
		}
		reader, err := x.readerFor(ctx, x.query.Namespace, account)
		if err != nil {
			return answer{}, fmt.Errorf("act as the ServiceAccount %q: %w", account, err)
		}
		x.use(&steadyReader{reader: reader, backoff: x.Runner.reader.backoff})
	}
	target, err := x.findTarget(ctx)
	if err != nil {
		x.warn(warnDependency, err)
		return answer{}, err
	}
	x.target = target
	input, err := x.input(ctx)
	if err != nil {
		x.warnParameter(err)
		return answer{}, err
	}
	switch target.Type {
	case arkv1alpha1.TargetAgent:
		return x.runAgent(ctx, target.Name, input)
	case arkv1alpha1.TargetModel:
		return x.runModel(ctx, target.Name, input)
	}
	return answer{}, fmt.Errorf("target %s %q: a target of type %s is not supported in this release: only agent and model are", target.Type, target.Name, target.Type)
}

// input returns the text that is asked. It is a template only if the Query has
// parameters: other texts may contain braces that mean nothing.
func (x *run) input(ctx context.Context) (string, error) {
	var text string
	if err := json.Unmarshal(x.query.Spec.Input.Raw, &text); err != nil {
		return "", errors.New("spec.input must be a text")
	}
	if len(x.query.Spec.Parameters) == 0 {
		return text, nil
	}
	parameters, err := x.values.Parameters(ctx, x.query.Spec.Parameters)
	if err != nil {
		return "", fmt.Errorf("spec.parameters: %w", err)
	}
	return render(ctx, "spec.input", text, parameters)
}

// runModel asks a model directly.
func (x *run) runModel(ctx context.Context, name, input string) (answer, error) {
	t, err := x.openModel(ctx, x.query.Namespace, name, x.query.Spec.Overrides)
	if err != nil {
		return answer{}, err
	}
	t.add(model.Message{Role: model.RoleUser, Content: input})
	message, err := t.complete(ctx, nil, nil)
	if err != nil {
		return answer{}, err
	}
	return answer{content: message.Content, messages: t.made}, nil
}

func (x *run) addUsage(u model.Usage) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.usage.Add(u)
}
