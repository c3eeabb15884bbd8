package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func a2aTasks() Kind {
	type T = *v1alpha1.A2ATask
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "a2atasks",
		singular:     "a2atask",
		newObject:    func() T { return &v1alpha1.A2ATask{} },
		newList:      func() runtime.Object { return &v1alpha1.A2ATaskList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		born:         func(o T) { o.Status = v1alpha1.A2ATaskStatus{Phase: v1alpha1.A2ATaskPending} },
		validate:     v1alpha1.ValidateA2ATask,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Query", "Query that the task is for", func(o T) string { return o.Spec.QueryRef.Name }),
			table.Text("Agent", "Agent that works on it", func(o T) string { return o.Spec.AgentRef.Name }),
			table.Text("Phase", "State of the task", func(o T) string { return string(o.Status.Phase) }),
			table.Age[T](),
			table.OnlyWide(table.Text("Server", "A2AServer of the agent", func(o T) string { return o.Spec.A2AServerRef.Name })),
			table.OnlyWide(table.Text("Task", "Id of the task at the server", func(o T) string { return o.Spec.TaskID })),
		},
	}
}
