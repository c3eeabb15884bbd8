// Package valuesource looks up the texts that manifests refer to instead of
// containing them: keys of Secrets and ConfigMaps, addresses of Services,
// parameters of the Query that is being executed.
package valuesource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// ErrQueryParameterNotFound is wrapped by the error of a queryParameterRef that
// names a parameter which the Query does not have, or not as a direct value.
var ErrQueryParameterNotFound = errors.New("no such parameter with a direct value in the Query")

// Resolver looks up values for the objects of one namespace, on behalf of at
// most one Query. It is safe for concurrent use, and reads anew each time:
// caching is the reader's business.
type Resolver struct {
	reader     client.Reader
	namespace  string
	parameters []arkv1alpha1.Parameter
	secrets    *Secrets
	across     bool // references into other namespaces are followed
}

// New returns a Resolver for the references of objects in namespace.
func New(reader client.Reader, namespace string) *Resolver {
	return &Resolver{reader: reader, namespace: namespace, secrets: &Secrets{}}
}

// ForQuery returns a Resolver that follows queryParameterRefs to the parameters
// of a Query, and otherwise looks up in the Query's namespace.
func ForQuery(reader client.Reader, q *arkv1alpha1.Query) *Resolver {
	r := New(reader, q.Namespace)
	r.parameters = q.Spec.Parameters
	return r
}

// In returns a Resolver for the references of objects in another namespace, on
// behalf of the same Query, collecting the same secrets.
func (r *Resolver) In(namespace string) *Resolver {
	other := *r
	other.namespace = namespace
	return &other
}

// AcrossNamespaces returns a Resolver that also follows references into other
// namespaces. They are read with the reader's rights, which are those of the
// process unless the reader acts as somebody else.
func (r *Resolver) AcrossNamespaces() *Resolver {
	other := *r
	other.across = true
	return &other
}

// Secrets are the secret values that have been looked up so far.
func (r *Resolver) Secrets() *Secrets { return r.secrets }

// Value returns the text of a ValueSource. A missing object or key is an error,
// unless the reference is optional: then it is the empty text.
func (r *Resolver) Value(ctx context.Context, v arkv1alpha1.ValueSource) (string, error) {
	text, _, err := r.lookUp(ctx, v.Value, v.ValueFrom)
	return text, err
}

// Secret is Value for a text that is confidential wherever it stands.
func (r *Resolver) Secret(ctx context.Context, v arkv1alpha1.ValueSource) (string, error) {
	text, err := r.Value(ctx, v)
	// Secrets that were made from files often end in a newline, which no header
	// can carry.
	text = strings.TrimSpace(text)
	r.secrets.Add(text)
	return text, err
}

// Parameters returns the texts of parameters by name. An optional one that is
// missing is the empty text. Errors name the parameter.
func (r *Resolver) Parameters(ctx context.Context, parameters []arkv1alpha1.Parameter) (map[string]string, error) {
	values := make(map[string]string, len(parameters))
	for _, p := range parameters {
		text, _, err := r.lookUp(ctx, p.Value, p.ValueFrom)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		values[p.Name] = text
	}
	return values, nil
}

// Headers sets the headers in into, replacing those of the same name. An
// optional one that is missing is left out. Errors name the header.
func (r *Resolver) Headers(ctx context.Context, headers []arkv1alpha1.Header, into http.Header) error {
	for _, h := range headers {
		var from *arkv1alpha1.ValueFromSource
		if f := h.Value.ValueFrom; f != nil {
			from = &arkv1alpha1.ValueFromSource{SecretKeyRef: f.SecretKeyRef, ConfigMapKeyRef: f.ConfigMapKeyRef, QueryParameterRef: f.QueryParameterRef}
		}
		text, found, err := r.lookUp(ctx, h.Value.Value, from)
		if err != nil {
			return fmt.Errorf("header %q: %w", h.Name, err)
		}
		if found {
			into.Set(h.Name, strings.TrimSpace(text))
		}
	}
	return nil
}

// lookUp returns the text, and whether there is one: an optional reference may
// lead nowhere.
func (r *Resolver) lookUp(ctx context.Context, value string, from *arkv1alpha1.ValueFromSource) (text string, found bool, err error) {
	switch {
	case value != "" || from == nil:
		return value, true, nil
	case from.SecretKeyRef != nil:
		return r.secretKey(ctx, from.SecretKeyRef)
	case from.ConfigMapKeyRef != nil:
		return r.configMapKey(ctx, from.ConfigMapKeyRef)
	case from.QueryParameterRef != nil:
		text, err = r.queryParameter(from.QueryParameterRef.Name)
		return text, err == nil, err
	case from.ServiceRef != nil:
		text, err = r.serviceURL(ctx, from.ServiceRef)
		return text, err == nil, err
	}
	return "", false, errors.New("valueFrom names no source")
}

func (r *Resolver) secretKey(ctx context.Context, ref *corev1.SecretKeySelector) (string, bool, error) {
	optional := ref.Optional != nil && *ref.Optional
	var secret corev1.Secret
	err := r.reader.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: ref.Name}, &secret)
	if apierrors.IsNotFound(err) && optional {
		return "", false, nil
	}
	if err != nil {
		return "", false, describe(err, "Secret", r.namespace, ref.Name)
	}
	value, ok := secret.Data[ref.Key]
	if !ok && !optional {
		return "", false, fmt.Errorf("the Secret %q in namespace %q has no key %q", ref.Name, r.namespace, ref.Key)
	}
	r.secrets.Add(string(value))
	return string(value), ok, nil
}

func (r *Resolver) configMapKey(ctx context.Context, ref *corev1.ConfigMapKeySelector) (string, bool, error) {
	optional := ref.Optional != nil && *ref.Optional
	var configMap corev1.ConfigMap
	err := r.reader.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: ref.Name}, &configMap)
	if apierrors.IsNotFound(err) && optional {
		return "", false, nil
	}
	if err != nil {
		return "", false, describe(err, "ConfigMap", r.namespace, ref.Name)
	}
	if value, ok := configMap.Data[ref.Key]; ok {
		return value, true, nil
	}
	if value, ok := configMap.BinaryData[ref.Key]; ok {
		return string(value), true, nil
	}
	if optional {
		return "", false, nil
	}
	return "", false, fmt.Errorf("the ConfigMap %q in namespace %q has no key %q", ref.Name, r.namespace, ref.Key)
}

func (r *Resolver) queryParameter(name string) (string, error) {
	for _, p := range r.parameters {
		if p.Name == name && p.ValueFrom == nil {
			return p.Value, nil
		}
	}
	return "", fmt.Errorf("query parameter %q: %w", name, ErrQueryParameterNotFound)
}

// describe says what was looked for, without the details of the API machinery
// where the object is simply not there.
func describe(err error, kind, namespace, name string) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("the %s %q does not exist in namespace %q", kind, name, namespace)
	}
	return fmt.Errorf("read the %s %q in namespace %q: %w", kind, name, namespace, err)
}
