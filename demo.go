package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/demomodel"
	"mckinsey.com/ark/samples"
)

const (
	demoNamespace = metav1.NamespaceDefault
	demoManager   = client.FieldOwner("ark-demo")
	// demoTimeout bounds the demo: the longest that its queries may take.
	demoTimeout = 5 * time.Minute
	// demoRealModel is asked when there is a key and OPENAI_MODEL says nothing else.
	demoRealModel = "gpt-4.1-mini"
)

// demo asks the sample questions and shows what becomes of them.
type demo struct {
	out     io.Writer
	client  client.WithWatch
	config  *rest.Config
	options devOptions
}

// errUnanswered says that the samples are there, but not all were answered.
var errUnanswered = errors.New("not all sample queries are done")

// runDemo starts all modules and asks the sample questions. Its model stands below
// the modules and lives as long as they do: people go on asking it afterwards.
func runDemo(ctx context.Context, parts *layers, o devOptions, databaseURL string) error {
	model, _, err := demomodel.Start(parts.ctx, "127.0.0.1:0", demomodel.Options{})
	if err != nil {
		return fmt.Errorf("start the demo model: %w", err)
	}
	parts.onStop("demo model", model.Close)
	config, err := startModules(ctx, parts, o, databaseURL)
	if err != nil {
		return err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client for the demo: %w", err)
	}
	d := &demo{out: stdout, client: c, config: config, options: o}
	finished := make(chan error, 1)
	parts.start("demo", func(ctx context.Context) error {
		finished <- d.run(ctx, model)
		<-ctx.Done()
		return nil
	})
	return waitForDemo(ctx, parts, finished, o, databaseURL)
}

// waitForDemo waits for the demo, and without --exit goes on after it: what was
// not answered is there to be looked at. A demo without its samples is a failure.
func waitForDemo(ctx context.Context, parts *layers, finished <-chan error, o devOptions, databaseURL string) error {
	select {
	case <-ctx.Done():
	case err := <-parts.failed:
		return err
	case err := <-finished:
		if err != nil && !errors.Is(err, errUnanswered) {
			return err
		}
		printReady(stdout, o, databaseURL)
		if o.Exit {
			return err
		}
		if err != nil {
			tell("ark:", oneLine(err))
		}
	}
	return waitForEnd(ctx, parts)
}

// run applies the samples, waits for the answers and prints them.
func (d *demo) run(ctx context.Context, model *demomodel.Server) error {
	names, err := d.apply(ctx, model.URL(), model.BaseURL())
	if err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	if err := d.show(ctx, names); err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	return nil
}

// show waits for the answers and prints them. Its error says which are missing.
func (d *demo) show(ctx context.Context, names []string) error {
	failed, err := d.await(ctx, names)
	if err != nil {
		return err
	}
	if err := d.table(ctx); err != nil {
		return err
	}
	if err := d.answers(ctx, names); err != nil {
		return err
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, ", "))
	}
	return nil
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", args...) }

// apply creates what the samples expect, then the samples, and returns the names
// of the Queries, which are always asked anew.
func (d *demo) apply(ctx context.Context, demoURL, baseURL string) ([]string, error) {
	if err := d.settings(ctx, baseURL); err != nil {
		return nil, err
	}
	manifests, err := samples.Manifests(demoURL)
	if err != nil {
		return nil, err
	}
	var queries []string
	for _, manifest := range manifests {
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("read a sample: %w", err)
			}
			if len(object.Object) == 0 {
				continue
			}
			object.SetNamespace(demoNamespace)
			if object.GetKind() == "Query" {
				queries = append(queries, object.GetName())
				if err := d.forget(ctx, object); err != nil {
					return nil, err
				}
			}
			if err := d.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), demoManager, client.ForceOwnership); err != nil {
				return nil, fmt.Errorf("apply the sample %s %s: %w", object.GetKind(), object.GetName(), err)
			}
			d.say("%s/%s applied", strings.ToLower(object.GetKind()), object.GetName())
		}
	}
	return queries, nil
}

// settings are the Secret and the ConfigMap of the sample Model: the user's own
// endpoint, or the one that this program contains.
func (d *demo) settings(ctx context.Context, baseURL string) error {
	key, model := os.Getenv("OPENAI_API_KEY"), "demo"
	if key != "" || os.Getenv("OPENAI_BASE_URL") != "" {
		baseURL, model = "https://api.openai.com/v1", demoRealModel
		if url := os.Getenv("OPENAI_BASE_URL"); url != "" {
			baseURL = url
		}
		if name := os.Getenv("OPENAI_MODEL"); name != "" {
			model = name
		}
		d.say("asking the model %s at %s", model, baseURL)
	} else {
		d.say("asking a small scripted model that this program contains (set OPENAI_API_KEY for a real one)")
	}
	if key == "" {
		key = "none"
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: demoNamespace, Name: samples.SecretName},
		StringData: map[string]string{samples.SecretToken: key},
	}
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: demoNamespace, Name: samples.ConfigMapName},
		Data:       map[string]string{samples.ConfigBaseURL: baseURL, samples.ConfigModel: model},
	}
	for _, object := range []client.Object{secret, config} {
		if err := d.put(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// put creates an object of the demo's own, or replaces it.
func (d *demo) put(ctx context.Context, object client.Object) error {
	err := d.client.Create(ctx, object, demoManager)
	if apierrors.IsAlreadyExists(err) {
		err = d.client.Update(ctx, object, demoManager)
	}
	if err != nil {
		return fmt.Errorf("write the demo's %T: %w", object, err)
	}
	return nil
}

// forget deletes the Query of an earlier demo.
func (d *demo) forget(ctx context.Context, object *unstructured.Unstructured) error {
	if err := d.client.Delete(ctx, object.DeepCopy()); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete the earlier query %s: %w", object.GetName(), err)
	}
	return nil
}

// await prints each change of phase until all Queries are finished, and returns
// those that are not done.
func (d *demo) await(ctx context.Context, names []string) ([]string, error) {
	phases := map[string]arkv1alpha1.QueryPhase{}
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, demoTimeout, true, func(ctx context.Context) (bool, error) {
		finished := 0
		for _, name := range names {
			var q arkv1alpha1.Query
			if err := d.client.Get(ctx, types.NamespacedName{Namespace: demoNamespace, Name: name}, &q); err != nil {
				return false, fmt.Errorf("read the query %s: %w", name, err)
			}
			if phases[name] != q.Status.Phase {
				d.say("query/%s is %s", name, q.Status.Phase)
				phases[name] = q.Status.Phase
			}
			if meta.IsStatusConditionTrue(q.Status.Conditions, arkv1alpha1.ConditionCompleted) {
				finished++
			}
		}
		return finished == len(names), nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the sample queries: %w", err)
	}
	var failed []string
	for _, name := range names {
		if phases[name] != arkv1alpha1.QueryDone {
			failed = append(failed, fmt.Sprintf("%s is %s", name, phases[name]))
		}
	}
	return failed, nil
}

// answers prints what was asked and answered.
func (d *demo) answers(ctx context.Context, names []string) error {
	for _, name := range names {
		var q arkv1alpha1.Query
		if err := d.client.Get(ctx, types.NamespacedName{Namespace: demoNamespace, Name: name}, &q); err != nil {
			return fmt.Errorf("read the query %s: %w", name, err)
		}
		content := ""
		if q.Status.Response != nil {
			content = q.Status.Response.Content
		}
		d.say("\n%s\n  asked:    %s\n  answered: %s", name, strings.Trim(string(q.Spec.Input.Raw), `"`), strings.ReplaceAll(content, "\n", "\n            "))
	}
	return nil
}
