package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/server/table"
)

// Rules are what a kind asks of its objects beyond their schema, wherever they are
// stored: the strategies of this server follow them, and so do the webhooks of
// objects that the cluster's own API server stores.
type Rules interface {
	// New makes an empty object.
	New() runtime.Object
	// Default migrates deprecated fields and makes equal things look equal, in
	// everything but the status; old is nil at creation.
	Default(obj, old runtime.Object)
	// Validate checks an object; old is nil at creation.
	Validate(obj, old runtime.Object) field.ErrorList
	// ValidateStatus checks a new status against the one before.
	ValidateStatus(obj, old runtime.Object) field.ErrorList
	// Warnings are what whoever wrote the object should know.
	Warnings(obj runtime.Object) []string
	// Forgotten are warnings for whoever creates an object, of what its manifest
	// says and creation drops.
	Forgotten(obj runtime.Object) []string
}

// rules are those of a kind.
type rules[T table.Object] struct{ kind *kind[T] }

// Rules are what the kind asks of its objects.
func (k *kind[T]) Rules() Rules { return rules[T]{k} }

func (r rules[T]) New() runtime.Object { return r.kind.newObject() }

func (r rules[T]) Default(obj, old runtime.Object) {
	if r.kind.prepare == nil {
		return
	}
	before, _ := old.(T) // nil at creation
	r.kind.prepare(obj.(T), before)
}

func (r rules[T]) Validate(obj, old runtime.Object) field.ErrorList {
	var errs field.ErrorList
	if r.kind.validate != nil {
		errs = r.kind.validate(obj.(T))
	}
	if old != nil && r.kind.validateUpdate != nil {
		errs = append(errs, r.kind.validateUpdate(obj.(T), old.(T))...)
	}
	return errs
}

func (r rules[T]) ValidateStatus(obj, old runtime.Object) field.ErrorList {
	if r.kind.validateStatus == nil {
		return nil
	}
	return r.kind.validateStatus(obj.(T), old.(T))
}

func (r rules[T]) Warnings(obj runtime.Object) []string {
	if r.kind.warnings == nil {
		return nil
	}
	return r.kind.warnings(obj.(T))
}

func (r rules[T]) Forgotten(obj runtime.Object) []string {
	if r.kind.forgotten == nil {
		return nil
	}
	return r.kind.forgotten(obj.(T))
}
