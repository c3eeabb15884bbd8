package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/demomodel"
)

const (
	// checkName begins the names of what a check makes.
	checkName = "ark-check-"
	// checkCleanup bounds the deletion of it.
	checkCleanup = 10 * time.Second
)

// ask makes a model, an agent and a query, and waits for the answer.
func (c *check) ask(ctx context.Context) (err error) {
	model, _, err := demomodel.Start(ctx, c.ModelAddress, demomodel.Options{AnyAddress: true})
	if err != nil {
		return fmt.Errorf("start the scripted model (--model-address): %w", err)
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	var made []client.Object
	defer func() { err = errors.Join(err, c.forget(ctx, made)) }()
	create := func(object client.Object) error {
		if err := c.client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", named(object), err)
		}
		made = append(made, object)
		c.say("created %s", named(object))
		return nil
	}
	m := &arkv1alpha1.Model{ObjectMeta: c.meta(), Spec: c.model(model)}
	if err := create(m); err != nil {
		return err
	}
	agent := &arkv1alpha1.Agent{ObjectMeta: c.meta(), Spec: arkv1alpha1.AgentSpec{
		Prompt: "Answer in one sentence.", ModelRef: &arkv1alpha1.AgentModelRef{Name: m.Name},
	}}
	if err := create(agent); err != nil {
		return err
	}
	query := &arkv1alpha1.Query{ObjectMeta: c.meta(), Spec: arkv1alpha1.QuerySpec{
		Input:  apiextensionsv1.JSON{Raw: []byte(`"Does it work?"`)},
		Target: &arkv1alpha1.QueryTarget{Type: arkv1alpha1.TargetAgent, Name: agent.Name},
	}}
	if err := create(query); err != nil {
		return err
	}
	return c.awaitAnswer(ctx, query)
}

func (c *check) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: c.Namespace, GenerateName: checkName}
}

// model is the scripted one, through its Service if it has one.
func (c *check) model(served *demomodel.Server) arkv1alpha1.ModelSpec {
	base := served.BaseURL()
	if c.ModelService != "" {
		base = "http://" + c.ModelService + "." + c.Namespace + ".svc" + "/v1"
	}
	return arkv1alpha1.ModelSpec{
		Provider: arkv1alpha1.ProviderOpenAI, Model: arkv1alpha1.ValueSource{Value: demomodel.ModelID},
		Config: arkv1alpha1.ModelConfig{OpenAI: &arkv1alpha1.OpenAIModelConfig{
			BaseURL: arkv1alpha1.ValueSource{Value: base}, APIKey: arkv1alpha1.ValueSource{Value: "none"},
		}},
	}
}

// awaitAnswer follows the query until it has ended.
func (c *check) awaitAnswer(ctx context.Context, query *arkv1alpha1.Query) error {
	watcher, err := c.client.Watch(ctx, &arkv1alpha1.QueryList{}, client.InNamespace(c.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", query.Name)})
	if err != nil {
		return fmt.Errorf("watch the query: %w", err)
	}
	defer watcher.Stop()
	phase := arkv1alpha1.QueryPhase("created")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the query is %s after %s", phase, c.Timeout)
		case event, open := <-watcher.ResultChan():
			q, ok := event.Object.(*arkv1alpha1.Query)
			if !open || !ok || event.Type == watch.Deleted {
				return fmt.Errorf("watch the query: it ended with %s: %v", event.Type, event.Object)
			}
			if q.Status.Phase != phase {
				phase = q.Status.Phase
				c.say("the query is %s", phase)
			}
			if !q.Status.Phase.IsTerminal() {
				continue
			}
			return c.judge(q)
		}
	}
}

func (c *check) judge(q *arkv1alpha1.Query) error {
	content := ""
	if q.Status.Response != nil {
		content = q.Status.Response.Content
	}
	if q.Status.Phase != arkv1alpha1.QueryDone || content == "" {
		return fmt.Errorf("the query has ended as %s, with the answer %q: %+v", q.Status.Phase, content, q.Status.Conditions)
	}
	c.say("asked:    Does it work?\nanswered: %s", content)
	return nil
}

// forget deletes what was made, also when the time is over.
func (c *check) forget(ctx context.Context, made []client.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkCleanup)
	defer cancel()
	var all []error
	for _, object := range made {
		if err := client.IgnoreNotFound(c.client.Delete(ctx, object)); err != nil {
			all = append(all, fmt.Errorf("delete %s: %w", named(object), err))
		}
	}
	return errors.Join(all...)
}

// named is an object as people name it, such as agent/weather.
func named(object client.Object) string {
	kind, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return fmt.Sprintf("%T %s", object, object.GetName())
	}
	return strings.ToLower(kind.Kind) + "/" + object.GetName()
}
