// Package admission holds the checks that have to look around before an object
// is accepted. The API server over PostgreSQL and the webhooks of the etcd
// backend call the same ones.
package admission

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/api/v1alpha1"
)

// DefaultQueryTTL is how long a finished Query is kept if nobody says anything.
const DefaultQueryTTL v1alpha1.Duration = "720h"

// Exists tells whether there is an object of that resource, namespace and name.
type Exists func(ctx context.Context, resource schema.GroupResource, namespace, name string) (bool, error)

// ArkConfig reads the one ArkConfig; nil: there is none.
type ArkConfig func(ctx context.Context) (*v1alpha1.ArkConfig, error)

// Queries is what has to look around when a Query is written.
type Queries struct {
	Exists    Exists
	ArkConfig ArkConfig
	// SkipTargetCheck accepts Queries whose target is not there.
	SkipTargetCheck bool
}

// Default fills in how long the Query is kept.
func (c Queries) Default(ctx context.Context, q *v1alpha1.Query) error {
	if q.Spec.TTL != "" || q.DeletionTimestamp != nil {
		return nil
	}
	config, err := c.ArkConfig(ctx)
	if err != nil {
		return fmt.Errorf("read the ArkConfig: %w", err)
	}
	SetQueryTTL(q, config)
	return nil
}

// Validate refuses a Query whose target is not there, when it is created (old is
// nil) or given another target. The error is not about the Query: it could not be
// found out.
func (c Queries) Validate(ctx context.Context, namespace string, q, old *v1alpha1.Query) (field.ErrorList, error) {
	if c.SkipTargetCheck || q.DeletionTimestamp != nil {
		return nil, nil
	}
	if now := q.Spec.Target; now != nil && old != nil && old.Spec.Target != nil && *old.Spec.Target == *now {
		return nil, nil
	}
	return QueryTarget(ctx, c.Exists, namespace, q)
}

// targets are the resources that a Query may ask.
var targets = map[v1alpha1.TargetType]string{
	v1alpha1.TargetAgent: "agents",
	v1alpha1.TargetTeam:  "teams",
	v1alpha1.TargetModel: "models",
	v1alpha1.TargetTool:  "tools",
}

// QueryTarget refuses a Query whose target is not there. The error is not about
// the Query: it could not be found out.
func QueryTarget(ctx context.Context, exists Exists, namespace string, q *v1alpha1.Query) (field.ErrorList, error) {
	target := q.Spec.Target
	if target == nil {
		return nil, nil
	}
	resource, ok := targets[target.Type]
	if !ok || target.Name == "" {
		return nil, nil // validation refuses it
	}
	found, err := exists(ctx, v1alpha1.Resource(resource), namespace, target.Name)
	if err != nil {
		return nil, fmt.Errorf("look for the %s %s/%s: %w", target.Type, namespace, target.Name, err)
	}
	if found {
		return nil, nil
	}
	missing := field.NotFound(field.NewPath("spec", "target", "name"), target.Name)
	missing.Detail = fmt.Sprintf("there is no %s of that name in namespace %s", target.Type, namespace)
	return field.ErrorList{missing}, nil
}

// SetQueryTTL fills in how long a finished Query is kept: what the ArkConfig says
// (nil: there is none), else DefaultQueryTTL.
func SetQueryTTL(q *v1alpha1.Query, config *v1alpha1.ArkConfig) {
	if q.Spec.TTL != "" {
		return
	}
	q.Spec.TTL = DefaultQueryTTL
	if config != nil && config.Spec.QueryTTL != "" {
		q.Spec.TTL = config.Spec.QueryTTL
	}
}
