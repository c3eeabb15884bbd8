package strategy

import (
	"context"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/warning"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"mckinsey.com/ark/server/table"
)

// strategy is how objects are created, updated and deleted, all but their status.
type strategy[T table.Object] struct {
	runtime.ObjectTyper
	names.NameGenerator
	kind    *kind[T]
	rules   Rules
	options Options
}

func (k *kind[T]) strategy(o Options) strategy[T] {
	return strategy[T]{ObjectTyper: o.Typer, NameGenerator: names.SimpleNameGenerator, kind: k, rules: k.Rules(), options: o}
}

func (s strategy[T]) now() metav1.Time { return metav1.NewTime(s.options.Clock.Now()) }

// NamespaceScoped tells whether objects are in namespaces.
func (s strategy[T]) NamespaceScoped() bool { return !s.kind.clusterScoped }

// AllowCreateOnUpdate is false: a PUT updates what exists.
func (s strategy[T]) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate tells whether a PUT needs no resourceVersion.
func (s strategy[T]) AllowUnconditionalUpdate(context.Context) bool { return s.kind.builtIn }

// PrepareForCreate drops the status that the manifest may have brought along.
func (s strategy[T]) PrepareForCreate(ctx context.Context, o runtime.Object) {
	obj := o.(T)
	for _, text := range s.rules.Forgotten(obj) {
		warning.AddWarning(ctx, "", text)
	}
	if s.kind.copyStatus != nil {
		s.kind.copyStatus(obj, s.kind.newObject())
	}
	if s.kind.born != nil {
		s.kind.born(obj)
	}
	s.rules.Default(obj, nil)
	if s.kind.settle != nil {
		s.kind.settle(obj, s.now())
	}
	if s.kind.spec != nil {
		obj.SetGeneration(1)
	}
}

// PrepareForUpdate keeps the status, and counts changes of the spec.
func (s strategy[T]) PrepareForUpdate(_ context.Context, o, oldObject runtime.Object) {
	obj, old := o.(T), oldObject.(T)
	if s.kind.copyStatus != nil {
		s.kind.copyStatus(obj, old)
	}
	s.rules.Default(obj, old)
	if s.kind.settle != nil {
		s.kind.settle(obj, s.now())
	}
	if s.kind.spec != nil && !apiequality.Semantic.DeepEqual(s.kind.spec(obj), s.kind.spec(old)) {
		obj.SetGeneration(old.GetGeneration() + 1)
	}
}

// Validate checks a new object.
func (s strategy[T]) Validate(ctx context.Context, o runtime.Object) field.ErrorList {
	if errs := s.kind.validateSchema(ctx, o.(T)); len(errs) > 0 {
		return errs
	}
	return s.rules.Validate(o, nil)
}

// ValidateUpdate checks a changed object and the change.
func (s strategy[T]) ValidateUpdate(ctx context.Context, o, old runtime.Object) field.ErrorList {
	if errs := s.kind.validateSchemaUpdate(ctx, o.(T), old.(T)); len(errs) > 0 {
		return errs
	}
	return s.rules.Validate(o, old)
}

// WarningsOnCreate returns what the author of the object should know.
func (s strategy[T]) WarningsOnCreate(_ context.Context, o runtime.Object) []string {
	return s.rules.Warnings(o)
}

// WarningsOnUpdate returns what the author of the change should know.
func (s strategy[T]) WarningsOnUpdate(ctx context.Context, o, _ runtime.Object) []string {
	return s.WarningsOnCreate(ctx, o)
}

// Canonicalize does nothing: prepare has done it, before validation.
func (s strategy[T]) Canonicalize(runtime.Object) {}

// GetResetFields names what a write of the object leaves as it was: the status.
func (s strategy[T]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	if s.kind.copyStatus == nil {
		return nil
	}
	return s.kind.fieldSet(fieldpath.MakePathOrDie("status"))
}

func (k *kind[T]) fieldSet(paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(k.groupVersion.String()): fieldpath.NewSet(paths...),
	}
}

// uncollected is the deletion of objects whose dependents nobody collects.
type uncollected struct{ rest.RESTDeleteStrategy }

// DefaultGarbageCollectionPolicy makes the registry ignore the propagation policy
// of a request: the finalizers that it asks for would never be removed.
func (uncollected) DefaultGarbageCollectionPolicy(context.Context) rest.GarbageCollectionPolicy {
	return rest.Unsupported
}
