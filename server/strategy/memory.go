package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func memories() Kind {
	type T = *v1alpha1.Memory
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "memories",
		singular:     "memory",
		newObject:    func() T { return &v1alpha1.Memory{} },
		newList:      func() runtime.Object { return &v1alpha1.MemoryList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		validate:     v1alpha1.ValidateMemory,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Phase", "State of the memory", func(o T) string { return string(o.Status.Phase) }),
			table.Text("Address", "Where the memory is reached", func(o T) string { return o.Status.LastResolvedAddress }),
			table.Age[T](),
		},
	}
}
