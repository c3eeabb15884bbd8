package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func models() Kind {
	type T = *v1alpha1.Model
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "models",
		singular:     "model",
		newObject:    func() T { return &v1alpha1.Model{} },
		newList:      func() runtime.Object { return &v1alpha1.ModelList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		prepare:      func(o, _ T) { v1alpha1.MigrateModel(o) },
		validate:     v1alpha1.ValidateModel,
		warnings:     func(o T) []string { return v1alpha1.MigrationWarnings(o) },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Type", "What the Model is asked for", func(o T) string { return string(o.Spec.Type) }),
			table.Text("Provider", "Whose protocol is spoken", func(o T) string { return string(o.Spec.Provider) }),
			table.Text("Model", "Name of the model at the provider", func(o T) string { return o.Spec.Model.Value }),
			table.Text("Available", "Whether the last probe was answered", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionModelAvailable)
			}),
			table.Age[T](),
			table.OnlyWide(table.Text("Address", "Where the model is reached", func(o T) string { return o.Status.ResolvedAddress })),
		},
	}
}
