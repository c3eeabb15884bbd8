package admission

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/valuesource"
)

// References refuses what refers to Secrets and ConfigMaps, or their keys, that are
// not there, and Models at addresses that will not be dialled.
type References struct {
	// Reader reads Secrets, ConfigMaps and Services. It should be no cache: what was
	// created a moment ago is there. Nil: nothing is looked for.
	Reader client.Reader
	// Egress says what may be dialled.
	Egress egress.Policy
}

// Validate checks a Model, Agent or Query, when it is created (old is nil) or refers
// to something else; other kinds pass. The error is not about the object: something
// could not be found out.
func (c References) Validate(ctx context.Context, namespace string, obj, old runtime.Object) (field.ErrorList, error) {
	if c.Reader == nil {
		return nil, nil
	}
	part, path := referring(obj)
	if part == nil {
		return nil, nil
	}
	if before, _ := referring(old); before != nil && equality.Semantic.DeepEqual(part, before) {
		return nil, nil
	}
	var errs field.ErrorList
	var failed error
	selectors(reflect.ValueOf(part), path, func(at *field.Path, selector any) {
		missing, err := c.look(ctx, namespace, at, selector)
		failed = errors.Join(failed, err)
		if missing != nil {
			errs = append(errs, missing)
		}
	})
	if failed != nil || len(errs) > 0 {
		return errs, failed
	}
	if m, ok := obj.(*v1alpha1.Model); ok {
		return c.addresses(ctx, namespace, m)
	}
	return nil, nil
}

// referring is the part of an object whose references must be there, and its path:
// what an agent's tools refer to is found out when they are called.
func referring(obj runtime.Object) (any, *field.Path) {
	spec := field.NewPath("spec")
	switch o := obj.(type) {
	case *v1alpha1.Model:
		if o != nil && o.DeletionTimestamp == nil {
			return o.Spec, spec
		}
	case *v1alpha1.Agent:
		if o != nil && o.DeletionTimestamp == nil {
			return o.Spec.Parameters, spec.Child("parameters")
		}
	case *v1alpha1.Query:
		if o != nil && o.DeletionTimestamp == nil {
			return o.Spec.Parameters, spec.Child("parameters")
		}
	}
	return nil, nil
}

// look returns what is missing, nil if it is there.
func (c References) look(ctx context.Context, namespace string, at *field.Path, selector any) (*field.Error, error) {
	switch s := selector.(type) {
	case *corev1.SecretKeySelector:
		var secret corev1.Secret
		has := func() bool { _, ok := secret.Data[s.Key]; return ok }
		return c.key(ctx, &secret, namespace, s.Name, s.Key, s.Optional, has, at)
	case *corev1.ConfigMapKeySelector:
		var config corev1.ConfigMap
		has := func() bool {
			_, text := config.Data[s.Key]
			_, binary := config.BinaryData[s.Key]
			return text || binary
		}
		return c.key(ctx, &config, namespace, s.Name, s.Key, s.Optional, has, at)
	}
	return nil, nil
}

func (c References) key(ctx context.Context, into client.Object, namespace, name, key string, optional *bool,
	has func() bool, at *field.Path) (*field.Error, error) {
	if name == "" || optional != nil && *optional {
		return nil, nil // validation refuses the first
	}
	kind := strings.TrimPrefix(fmt.Sprintf("%T", into), "*v1.")
	err := c.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	switch {
	case apierrors.IsNotFound(err):
		missing := field.NotFound(at.Child("name"), name)
		missing.Detail = fmt.Sprintf("there is no %s of that name in namespace %s", kind, namespace)
		return missing, nil
	case err != nil:
		return nil, fmt.Errorf("look for the %s %s/%s: %w", kind, namespace, name, err)
	case !has():
		missing := field.NotFound(at.Child("key"), key)
		missing.Detail = fmt.Sprintf("the %s %s has no such key", kind, name)
		return missing, nil
	}
	return nil, nil
}

// addresses refuses base URLs that the egress policy will not let be dialled. What
// cannot be resolved now is left to the moment when it is: names come and go.
func (c References) addresses(ctx context.Context, namespace string, m *v1alpha1.Model) (field.ErrorList, error) {
	config, at := m.Spec.Config, field.NewPath("spec", "config")
	var errs field.ErrorList
	for _, e := range []struct {
		source *v1alpha1.ValueSource
		path   *field.Path
	}{
		{config.OpenAI.Endpoint(), at.Child("openai", "baseUrl")}, {config.Azure.Endpoint(), at.Child("azure", "baseUrl")},
		{config.Bedrock.Endpoint(), at.Child("bedrock", "baseUrl")}, {config.Anthropic.Endpoint(), at.Child("anthropic", "baseUrl")},
	} {
		if e.source == nil || e.source.ValueFrom != nil && (e.source.ValueFrom.ServiceRef != nil || e.source.ValueFrom.QueryParameterRef != nil) {
			continue // Services are exempt, parameters are not known yet
		}
		text, err := valuesource.New(c.Reader, namespace).Value(ctx, *e.source)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", e.path, err)
		}
		if refused := c.address(ctx, text, e.source.ValueFrom != nil, e.path); refused != nil {
			errs = append(errs, refused)
		}
	}
	return errs, nil
}

// address checks one base URL; one that stands elsewhere may be a secret, and is not
// shown.
func (c References) address(ctx context.Context, text string, hidden bool, at *field.Path) *field.Error {
	shown := text
	if hidden {
		shown = "<from elsewhere>"
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" {
		return field.Invalid(at, shown, "must be an http or https URL")
	}
	err = c.Egress.CheckURL(ctx, u)
	switch {
	case err == nil:
		return nil
	case hidden:
		return field.Invalid(at, shown, "its address is refused by the egress policy")
	}
	return field.Invalid(at, u.Redacted(), err.Error())
}

// selectors calls visit for each reference to a key of a Secret or ConfigMap.
func selectors(v reflect.Value, path *field.Path, visit func(*field.Path, any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch v.Interface().(type) {
		case *corev1.SecretKeySelector, *corev1.ConfigMapKeySelector:
			visit(path, v.Interface())
			return
		}
		selectors(v.Elem(), path, visit)
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if name != "" && name != "-" {
				selectors(v.Field(i), path.Child(name), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			selectors(v.Index(i), path.Index(i), visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			selectors(v.MapIndex(key), path.Key(key.String()), visit)
		}
	default: // nothing else refers to anything
	}
}
