package strategy

import (
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func tools() Kind {
	type T = *v1alpha1.Tool
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "tools",
		singular:     "tool",
		newObject:    func() T { return &v1alpha1.Tool{} },
		newList:      func() runtime.Object { return &v1alpha1.ToolList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		prepare:      func(o, _ T) { canonicalExtension(o.Spec.InputSchema) },
		validate:     v1alpha1.ValidateTool,
		fields:       func(o T) fields.Set { return v1alpha1.SelectableFields(o) },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Type", "How the tool is called", func(o T) string { return string(o.Spec.Type) }),
			table.Text("State", "Whether the tool can be called", func(o T) string { return o.Status.State }),
			table.Age[T](),
			table.OnlyWide(table.Text("Description", "What the tool is for", func(o T) string { return o.Spec.Description })),
		},
	}
}
