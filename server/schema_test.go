package server_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
)

// absentIsZero are required fields that are their zero value to a Go type when
// they are left out, which their schema accepts, and Ark too: a cluster is
// stricter here.
var absentIsZero = []string{"message", "agentRef"}

// TestSchema breaks every constraint of every schema once, in a new object, in a
// changed one and in a status, and compares what is said with what a cluster says
// of the same document. It has a server of its own: there is one ArkConfig.
func TestSchema(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, kind := range minimal {
		if kind.apiVersion == "v1" {
			continue
		}
		t.Run(kind.resource, func(t *testing.T) {
			t.Parallel()
			client := dynamic.ResourceInterface(f.dynamic.Resource(gvr(kind.apiVersion, kind.resource)))
			if !kind.clusterScoped {
				client = f.dynamic.Resource(gvr(kind.apiVersion, kind.resource)).Namespace(f.inNamespace(t))
			}
			o := object(t, "apiVersion: "+kind.apiVersion+"\n"+kind.manifest)
			o.SetName("default")
			c := &schemaComparison{reference: newReference(t, kind.resource), client: client}
			c.stored = must(client.Create(t.Context(), o, metav1.CreateOptions{}))(t)
			c.compareAll(t)
		})
	}
}

// schemaComparison compares the server with a cluster, for one kind.
type schemaComparison struct {
	reference *reference
	client    dynamic.ResourceInterface
	// stored is an object that is valid.
	stored *unstructured.Unstructured
}

func (c *schemaComparison) compareAll(t *testing.T) {
	document := func() map[string]any {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetGroupVersionKind(c.reference.gvk)
		u.SetName(c.stored.GetName())
		u.SetNamespace(c.stored.GetNamespace())
		return u.Object
	}
	all := []string{metav1.DryRunAll}
	for _, v := range violations(t, c.reference.structural, document(), "spec") {
		u := &unstructured.Unstructured{Object: v.document}
		t.Run("create "+v.place+" "+v.constraint, func(t *testing.T) {
			wanted := causes(c.reference.create.Validate(t.Context(), c.reference.read(asTyped(v))))
			_, err := c.client.Create(t.Context(), u, metav1.CreateOptions{DryRun: all})
			compareCauses(t, v, wanted, err)
		})
		if u.GetName() != c.stored.GetName() {
			continue
		}
		t.Run("update "+v.place+" "+v.constraint, func(t *testing.T) {
			u.SetResourceVersion(c.stored.GetResourceVersion())
			changed := c.reference.read(asTyped(v))
			changed.Object["metadata"] = c.stored.Object["metadata"]
			wanted := causes(c.reference.update.ValidateUpdate(t.Context(), changed, c.stored))
			_, err := c.client.Update(t.Context(), u, metav1.UpdateOptions{DryRun: all})
			compareCauses(t, v, wanted, err)
		})
	}
	whole := c.stored.DeepCopy().Object
	for _, v := range violations(t, c.reference.structural, whole, "status") {
		if !strings.HasPrefix(v.place, "status") {
			continue
		}
		t.Run("status "+v.place+" "+v.constraint, func(t *testing.T) {
			wanted := causes(c.reference.status.ValidateUpdate(t.Context(), c.reference.read(asTyped(v)), c.stored))
			_, err := c.client.UpdateStatus(t.Context(), &unstructured.Unstructured{Object: v.document}, metav1.UpdateOptions{DryRun: all})
			compareCauses(t, v, wanted, err)
		})
	}
}

// asTyped is the document of a violation as a Go type reads it. To it an empty
// text is no text, an empty object that is required was left out, and one that was
// left out has the defaults of its fields all the same.
func asTyped(v violation) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(v.document)}
	absent, isAbsent := strings.CutPrefix(v.constraint, "required ")
	switch {
	case v.constraint == "minLength", v.constraint == "rule [has(self.privateKeyJWT)].exists_one(x, x)":
		last := len(v.path) - 1
		replaced(u.Object, v.path[:last], func(value any) any {
			delete(value.(map[string]any), v.path[last].(string))
			return value
		})
	case isAbsent && hasDefaults(v.node):
		replaced(u.Object, v.path, func(value any) any {
			value.(map[string]any)[absent] = map[string]any{}
			return value
		})
	}
	return u
}

// hasDefaults tells whether a field of an object has a default that is not empty.
func hasDefaults(s *structuralschema.Structural) bool {
	for _, property := range s.Properties {
		if value := property.Default.Object; value != nil && value != "" {
			return true
		}
	}
	return false
}

// compareCauses compares what the server answered with what a cluster would have.
func compareCauses(t *testing.T, v violation, wanted []string, err error) {
	t.Helper()
	var got []string
	var status *apierrors.StatusError
	switch {
	case errors.As(err, &status) && apierrors.IsInvalid(err):
		got = causesOf(status.ErrStatus.Details)
		said := map[metav1.StatusCause]bool{}
		for _, cause := range status.ErrStatus.Details.Causes {
			if said[cause] {
				t.Errorf("said twice: %v", cause)
			}
			said[cause] = true
		}
	case err != nil:
		t.Fatalf("answered with %v, a cluster with %v", err, wanted)
	}
	absent, isAbsent := strings.CutPrefix(v.constraint, "required ")
	switch {
	case len(wanted) == 0:
		// A default, or no text where none is needed.
	case isAbsent && slices.Contains(absentIsZero, absent):
	case isAbsent && zeroAccepted(v.node):
		// What refuses it is not the schema, and looks at the rest of the document too.
		for _, cause := range wanted {
			if !slices.Contains(got, cause) {
				t.Errorf("a cluster says %s, the server %v", cause, got)
			}
		}
	default:
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("causes (-cluster +server):\n%s", diff)
		}
	}
}
