package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func agents() Kind {
	type T = *v1alpha1.Agent
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "agents",
		singular:     "agent",
		newObject:    func() T { return &v1alpha1.Agent{} },
		newList:      func() runtime.Object { return &v1alpha1.AgentList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		prepare: func(o, _ T) {
			v1alpha1.MigrateAgent(o)
			canonicalExtension(o.Spec.OutputSchema)
		},
		validate: v1alpha1.ValidateAgent,
		warnings: func(o T) []string { return v1alpha1.MigrationWarnings(o) },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Model", "Model that the Agent asks", agentModel),
			table.Text("Available", "Whether all that the Agent needs is there", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionAvailable)
			}),
			table.Age[T](),
			table.OnlyWide(table.Integer("Tools", "Number of tools", func(o T) int64 { return int64(len(o.Spec.Tools)) })),
			table.OnlyWide(table.Text("Description", "What the Agent is for", func(o T) string { return o.Spec.Description })),
		},
	}
}

func agentModel(a *v1alpha1.Agent) string {
	if a.Spec.ModelRef == nil {
		return ""
	}
	return a.Spec.ModelRef.Name
}

// canonicalExtension makes a JSON document that users write comparable.
func canonicalExtension(e *runtime.RawExtension) {
	if e != nil {
		e.Raw = canonical(e.Raw)
	}
}
