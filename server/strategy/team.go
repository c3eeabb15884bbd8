package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func teams() Kind {
	type T = *v1alpha1.Team
	return &kind[T]{
		groupVersion: v1alpha1.GroupVersion,
		resource:     "teams",
		singular:     "team",
		newObject:    func() T { return &v1alpha1.Team{} },
		newList:      func() runtime.Object { return &v1alpha1.TeamList{} },
		spec:         func(o T) any { return &o.Spec },
		copySpec:     func(to, from T) { to.Spec = from.Spec },
		copyStatus:   func(to, from T) { to.Status = from.Status },
		prepare:      func(o, _ T) { v1alpha1.MigrateTeam(o) },
		validate:     v1alpha1.ValidateTeam,
		warnings:     func(o T) []string { return v1alpha1.MigrationWarnings(o) },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Strategy", "What decides who speaks", func(o T) string { return o.Spec.Strategy }),
			table.Text("Available", "Whether all members are there", func(o T) string {
				return table.Condition(o.Status.Conditions, v1alpha1.ConditionAvailable)
			}),
			table.Age[T](),
			table.OnlyWide(table.Integer("Members", "Number of members", func(o T) int64 { return int64(len(o.Spec.Members)) })),
		},
	}
}
