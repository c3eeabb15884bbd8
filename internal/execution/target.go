package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// findTarget returns spec.target, else what spec.selector finds.
func (x *run) findTarget(ctx context.Context) (*arkv1alpha1.QueryTarget, error) {
	spec := &x.query.Spec
	switch {
	case spec.Target != nil:
		return spec.Target.DeepCopy(), nil
	case spec.Selector == nil:
		return nil, errors.New("the Query has neither a target nor a selector")
	}
	selector, err := metav1.LabelSelectorAsSelector(spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("spec.selector: %w", err)
	}
	return x.selectTarget(ctx, selector)
}

// selectTarget returns the first match in the order agents, teams, models, tools;
// of several of one kind, the first by name.
func (x *run) selectTarget(ctx context.Context, selector labels.Selector) (*arkv1alpha1.QueryTarget, error) {
	kinds := []struct {
		targetType arkv1alpha1.TargetType
		list       client.ObjectList
	}{
		{arkv1alpha1.TargetAgent, &arkv1alpha1.AgentList{}},
		{arkv1alpha1.TargetTeam, &arkv1alpha1.TeamList{}},
		{arkv1alpha1.TargetModel, &arkv1alpha1.ModelList{}},
		{arkv1alpha1.TargetTool, &arkv1alpha1.ToolList{}},
	}
	for _, kind := range kinds {
		names, err := x.names(ctx, kind.list, selector)
		if err != nil {
			return nil, fmt.Errorf("list the %ss that spec.selector matches: %w", kind.targetType, err)
		}
		if len(names) > 0 {
			return &arkv1alpha1.QueryTarget{Type: kind.targetType, Name: slices.Min(names)}, nil
		}
	}
	return nil, fmt.Errorf("spec.selector %q matches no agent, team, model or tool in namespace %q", selector, x.query.Namespace)
}

func (x *run) names(ctx context.Context, list client.ObjectList, selector labels.Selector) ([]string, error) {
	if err := x.reader.List(ctx, list, client.InNamespace(x.query.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		object, err := meta.Accessor(item)
		if err != nil {
			return nil, err
		}
		names = append(names, object.GetName())
	}
	return names, nil
}

// get reads an object that the Query depends on; kind is for the error.
func (x *run) get(ctx context.Context, kind, namespace, name string, into client.Object) error {
	err := x.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		err = fmt.Errorf("the %s %q does not exist in namespace %q", kind, name, namespace)
	default:
		err = fmt.Errorf("read the %s %q in namespace %q: %w", kind, name, namespace, err)
	}
	x.warn(warnDependency, err)
	return err
}

// reach tells whether objects of another namespace may be referred to.
func (x *run) reach(namespace string) error {
	if namespace == "" || namespace == x.query.Namespace || x.mayCross() {
		return nil
	}
	return fmt.Errorf("a reference into namespace %q is followed only for a Query with a serviceAccount, or where the operator allows it (--allow-cross-namespace)", namespace)
}

// mayCross tells whether references into other namespaces are followed: with the
// rights of the Query's own account, or as the operator allows.
func (x *run) mayCross() bool {
	return x.crossNamespace || x.query.Spec.ServiceAccount != ""
}
