package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
	"mckinsey.com/ark/server/table"
)

func a2aServers() Kind {
	type T = *v1prealpha1.A2AServer
	return &kind[T]{
		groupVersion: v1prealpha1.GroupVersion,
		resource:     "a2aservers",
		singular:     "a2aserver",
		newObject:    func() T { return &v1prealpha1.A2AServer{} },
		newList:      func() runtime.Object { return &v1prealpha1.A2AServerList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		validate:     v1prealpha1.ValidateA2AServer,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Ready", "Whether the server's agents can be used", func(o T) string {
				return table.Condition(o.Status.Conditions, v1prealpha1.ConditionReady)
			}),
			table.Text("Discovering", "Whether its agent card is being read", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionDiscovering)
			}),
			table.Text("Address", "Where the server is reached", func(o T) string { return o.Status.LastResolvedAddress }),
			table.Age[T](),
		},
	}
}
