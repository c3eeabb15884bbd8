package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1prealpha1"
	"mckinsey.com/ark/server/table"
)

func executionEngines() Kind {
	type T = *v1prealpha1.ExecutionEngine
	return &kind[T]{
		groupVersion: v1prealpha1.GroupVersion,
		resource:     "executionengines",
		singular:     "executionengine",
		newObject:    func() T { return &v1prealpha1.ExecutionEngine{} },
		newList:      func() runtime.Object { return &v1prealpha1.ExecutionEngineList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		validate:     v1prealpha1.ValidateExecutionEngine,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Phase", "State of the engine", func(o T) string { return o.Status.Phase }),
			table.Text("Address", "Where the engine is reached", func(o T) string { return o.Status.LastResolvedAddress }),
			table.Age[T](),
		},
	}
}
