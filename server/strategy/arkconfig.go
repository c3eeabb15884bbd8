package strategy

import (
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/table"
)

func arkConfigs() Kind {
	type T = *v1alpha1.ArkConfig
	return &kind[T]{
		groupVersion:  v1alpha1.GroupVersion,
		resource:      "arkconfigs",
		singular:      "arkconfig",
		clusterScoped: true,
		newObject:     func() T { return &v1alpha1.ArkConfig{} },
		newList:       func() runtime.Object { return &v1alpha1.ArkConfigList{} },
		spec:          func(o T) any { return &o.Spec },
		copySpec:      func(to, from T) { to.Spec = from.Spec },
		copyStatus:    func(to, from T) { to.Status = from.Status },
		validate:      v1alpha1.ValidateArkConfig,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("QueryTTL", "How long finished Queries are kept", func(o T) string { return string(o.Spec.QueryTTL) }),
			table.Age[T](),
		},
	}
}
