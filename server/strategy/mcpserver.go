package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func mcpServers() Kind {
	type T = *v1alpha1.MCPServer
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "mcpservers",
		singular:     "mcpserver",
		shortNames:   []string{"mcps"},
		newObject:    func() T { return &v1alpha1.MCPServer{} },
		newList:      func() runtime.Object { return &v1alpha1.MCPServerList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		validate:     v1alpha1.ValidateMCPServer,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Available", "Whether the server answers", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionAvailable)
			}),
			table.Text("Discovering", "Whether its tools are being listed", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionDiscovering)
			}),
			table.Integer("Tools", "Number of its tools", func(o T) int64 { return int64(o.Status.ToolCount) }),
			table.Text("Auth", "State of the authorization", mcpAuthorizationState),
			table.Age[T](),
			table.OnlyWide(table.Text("Address", "Where the server is reached", func(o T) string { return o.Status.ResolvedAddress })),
		},
	}
}

func mcpAuthorizationState(s *v1alpha1.MCPServer) string {
	if s.Status.Authorization == nil {
		return ""
	}
	return string(s.Status.Authorization.State)
}
