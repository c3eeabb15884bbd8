package strategy

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// objectREST is a registry with the names that kubectl knows it by.
type objectREST struct {
	*genericregistry.Store
	shortNames, categories []string
}

var (
	_ rest.StandardStorage    = (*objectREST)(nil)
	_ rest.ShortNamesProvider = (*objectREST)(nil)
	_ rest.CategoriesProvider = (*objectREST)(nil)
)

// ShortNames of the resource.
func (r *objectREST) ShortNames() []string { return r.shortNames }

// Categories that the resource is in.
func (r *objectREST) Categories() []string { return r.categories }

// statusREST is the status subresource. It shares the registry of the objects.
type statusREST struct {
	store *genericregistry.Store
}

var (
	_ rest.Patcher             = (*statusREST)(nil)
	_ rest.ResetFieldsStrategy = (*statusREST)(nil)
	_ rest.TableConvertor      = (*statusREST)(nil)
)

// New makes an empty object.
func (r *statusREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the registry ends with the objects' own storage.
func (r *statusREST) Destroy() {}

// Get returns the whole object.
func (r *statusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update changes the status of an object that exists.
func (r *statusREST) Update(ctx context.Context, name string, obj rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, obj, createValidation, updateValidation, false, options)
}

// GetResetFields names what a write of the status leaves as it was.
func (r *statusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable prints the object.
func (r *statusREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}
