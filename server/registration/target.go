package registration

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// Resources that are looked after. Objects of them are not decoded into types: fields
// that a newer cluster knows survive a write.
var (
	apiServices   = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	mutatingHooks = schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
	validatingHooks = schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}
)

// target is an object of the cluster by which its API server trusts Ark.
type target struct {
	resource schema.GroupVersionResource
	name     string
	// change brings an object to what it should be.
	change func(o *unstructured.Unstructured, bundle []byte, c claims) error
	// served says whether the cluster reaches what is registered.
	served func(o *unstructured.Unstructured) bool
}

func (t target) String() string { return t.resource.Resource + "/" + t.name }

// explain says what it means that a target cannot be read.
func (t target) explain(err error) error {
	if apierrors.IsNotFound(err) {
		return missingf("there is no %s, which the installation brings", t)
	}
	return fmt.Errorf("read %s: %w", t, err)
}

func (o Options) targets() []target {
	var all []target
	if o.Service != nil {
		for _, version := range o.Service.Versions {
			all = append(all, target{
				resource: apiServices, name: version + "." + o.Service.Group, change: o.Service.change, served: available,
			})
		}
	}
	if o.Webhooks != "" {
		for _, resource := range []schema.GroupVersionResource{mutatingHooks, validatingHooks} {
			all = append(all, target{
				resource: resource, name: o.Webhooks, change: changeWebhooks,
				served: func(*unstructured.Unstructured) bool { return true },
			})
		}
	}
	return all
}

// changeWebhooks gives all webhooks of a configuration the bundle.
func changeWebhooks(o *unstructured.Unstructured, bundle []byte, _ claims) error {
	hooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
	if err != nil {
		return fmt.Errorf("read the webhooks of %s: %w", o.GetName(), err)
	}
	for _, hook := range hooks {
		fields, ok := hook.(map[string]any)
		if !ok {
			return fmt.Errorf("read the webhooks of %s: one is a %T", o.GetName(), hook)
		}
		if err := setBundle(fields, bundle, "clientConfig", "caBundle"); err != nil {
			return fmt.Errorf("change the webhooks of %s: %w", o.GetName(), err)
		}
	}
	if len(hooks) == 0 {
		return nil
	}
	if err := unstructured.SetNestedSlice(o.Object, hooks, "webhooks"); err != nil {
		return fmt.Errorf("change the webhooks of %s: %w", o.GetName(), err)
	}
	return nil
}

func setBundle(o map[string]any, bundle []byte, path ...string) error {
	return unstructured.SetNestedField(o, base64.StdEncoding.EncodeToString(bundle), path...)
}

func equal(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

// watch tells of changes of one target, which is all that a process may watch.
func (r *Registrar) watch(t target) (cache.SharedIndexInformer, error) {
	watch := dynamicinformer.NewFilteredDynamicInformer(r.client, t.resource, metav1.NamespaceAll, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, t.name).String()
	}).Informer()
	_, err := watch.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { r.Enqueue() }, UpdateFunc: func(_, _ any) { r.Enqueue() }, DeleteFunc: func(any) { r.Enqueue() },
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", t, err)
	}
	return watch, nil
}
