package strategy

import (
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/server/table"
)

func namespaces() Kind {
	type T = *corev1.Namespace
	return &kind[T]{
		groupVersion:  corev1.SchemeGroupVersion,
		resource:      "namespaces",
		singular:      "namespace",
		shortNames:    []string{"ns"},
		clusterScoped: true,
		builtIn:       true,
		newObject:     func() T { return &corev1.Namespace{} },
		newList:       func() runtime.Object { return &corev1.NamespaceList{} },
		copySpec:      func(to, from T) { to.Spec = from.Spec },
		copyStatus:    func(to, from T) { to.Status = from.Status },
		born:          func(o T) { o.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive} },
		prepare:       prepareNamespace,
		validate:      validateNamespace,
		fields:        func(o T) fields.Set { return fields.Set{"status.phase": string(o.Status.Phase)} },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Status", "Active, or Terminating while it is being emptied", func(o T) string { return string(o.Status.Phase) }),
			table.Age[T](),
		},
		serve: newNamespaceREST,
	}
}

// prepareNamespace keeps the finalizer that holds a namespace until it is empty,
// and the label that selectors know it by.
func prepareNamespace(ns, old *corev1.Namespace) {
	ns.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	if old != nil {
		ns.Spec.Finalizers = old.Spec.Finalizers
	}
	if ns.Name == "" {
		return // the name is yet to be generated; validation asks for it
	}
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}

func validateNamespace(ns *corev1.Namespace) field.ErrorList {
	return apivalidation.ValidateObjectMeta(&ns.ObjectMeta, false, apivalidation.ValidateNamespaceName, field.NewPath("metadata"))
}
