package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"mckinsey.com/ark/server/strategy"
)

// lookedAt is how many objects of a kind are looked at for their finalizers: the
// first of them tell what a namespace waits for.
const lookedAt = 500

// remains is what is left in a namespace that was to be emptied.
type remains struct {
	objects    map[string]int64 // by resource
	finalizers map[string]int64 // by name
}

// add notes what is left of a kind.
func (r *remains) add(ctx context.Context, kind *strategy.Served) error {
	list, err := kind.Store.List(ctx, &internalversion.ListOptions{Limit: lookedAt})
	if err != nil {
		return fmt.Errorf("list %s: %w", kind.Resource(), err)
	}
	n := int64(meta.LenList(list))
	if n == 0 {
		return nil
	}
	if l, err := meta.ListAccessor(list); err == nil && l.GetRemainingItemCount() != nil {
		n += *l.GetRemainingItemCount()
	}
	r.objects[kind.GroupVersion().WithResource(kind.Resource()).GroupResource().String()] = n
	return meta.EachListItem(list, func(o runtime.Object) error {
		object, err := meta.Accessor(o)
		if err != nil {
			return fmt.Errorf("look at what is left of %s: %w", kind.Resource(), err)
		}
		for _, name := range object.GetFinalizers() {
			r.finalizers[name]++
		}
		return nil
	})
}

// conditions say it in the words of Kubernetes.
func (r *remains) conditions() []corev1.NamespaceCondition {
	content := corev1.NamespaceCondition{
		Type: corev1.NamespaceContentRemaining, Status: corev1.ConditionFalse,
		Reason: "ContentRemoved", Message: "All content successfully removed",
	}
	if len(r.objects) > 0 {
		content.Status, content.Reason = corev1.ConditionTrue, "SomeResourcesRemain"
		content.Message = "Some resources are remaining: " + tally(r.objects, "has")
	}
	finalizers := corev1.NamespaceCondition{
		Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionFalse,
		Reason: "ContentHasNoFinalizers", Message: "All content-preserving finalizers finished",
	}
	if len(r.finalizers) > 0 {
		finalizers.Status, finalizers.Reason = corev1.ConditionTrue, "SomeFinalizersRemain"
		finalizers.Message = "Some content in the namespace has finalizers remaining: " + tally(r.finalizers, "in")
	}
	return []corev1.NamespaceCondition{content, finalizers}
}

// tally is one text for the same counts.
func tally(counts map[string]int64, verb string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %s %d resource instances", name, verb, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// report writes into the namespace's status what it waits for, unless that is
// there already.
func (c *namespaceController) report(ctx context.Context, ns *corev1.Namespace, left *remains) error {
	updated, changed := ns.DeepCopy(), false
	for _, condition := range left.conditions() {
		i := slices.IndexFunc(updated.Status.Conditions, func(other corev1.NamespaceCondition) bool { return other.Type == condition.Type })
		if i < 0 {
			updated.Status.Conditions = append(updated.Status.Conditions, corev1.NamespaceCondition{})
			i = len(updated.Status.Conditions) - 1
		}
		before := &updated.Status.Conditions[i]
		condition.LastTransitionTime = before.LastTransitionTime
		if before.Status != condition.Status {
			condition.LastTransitionTime = metav1.NewTime(c.clock.Now())
		}
		if *before != condition {
			*before, changed = condition, true
		}
	}
	if !changed {
		return nil
	}
	status, ok := c.served().Storage["namespaces/status"].(rest.Updater)
	if !ok {
		return fmt.Errorf("report what is left in namespace %s: no status is served", ns.Name)
	}
	_, _, err := status.Update(request.WithNamespace(ctx, ""), ns.Name, rest.DefaultUpdatedObjectInfo(updated),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("report what is left in namespace %s: %w", ns.Name, err)
	}
	return nil
}
