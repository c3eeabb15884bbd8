package strategy

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"mckinsey.com/ark/server/table"
)

// statusStrategy is how the status of objects is updated, and nothing else.
type statusStrategy[T table.Object] struct {
	strategy[T]
}

func (k *kind[T]) statusStrategy(o Options) statusStrategy[T] {
	return statusStrategy[T]{k.strategy(o)}
}

// PrepareForUpdate keeps everything but the status.
func (s statusStrategy[T]) PrepareForUpdate(_ context.Context, o, oldObject runtime.Object) {
	obj, old := o.(T), oldObject.(T)
	s.kind.copySpec(obj, old)
	obj.SetLabels(old.GetLabels())
	obj.SetAnnotations(old.GetAnnotations())
	obj.SetFinalizers(old.GetFinalizers())
	obj.SetOwnerReferences(old.GetOwnerReferences())
}

// ValidateUpdate checks the status and how it changes.
func (s statusStrategy[T]) ValidateUpdate(ctx context.Context, o, old runtime.Object) field.ErrorList {
	if errs := s.kind.validateSchemaStatus(ctx, o.(T), old.(T)); len(errs) > 0 {
		return errs
	}
	return s.rules.ValidateStatus(o, old)
}

// WarningsOnUpdate is empty: who writes a status did not write the spec.
func (s statusStrategy[T]) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields names what a write of the status leaves as it was.
func (s statusStrategy[T]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.kind.fieldSet(
		fieldpath.MakePathOrDie("spec"),
		fieldpath.MakePathOrDie("metadata", "labels"),
		fieldpath.MakePathOrDie("metadata", "annotations"),
		fieldpath.MakePathOrDie("metadata", "finalizers"),
		fieldpath.MakePathOrDie("metadata", "ownerReferences"),
	)
}
