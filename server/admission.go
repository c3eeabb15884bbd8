package server

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"

	"mckinsey.com/ark/api/v1alpha1"
	arkadmission "mckinsey.com/ark/internal/admission"
)

// queryAdmission makes what has to look around part of admission: how long a
// finished Query is kept, and whether its target is there.
type queryAdmission struct {
	*admission.Handler
	registries      registries
	skipTargetCheck bool
}

var (
	_ admission.MutationInterface   = (*queryAdmission)(nil)
	_ admission.ValidationInterface = (*queryAdmission)(nil)
)

func newQueryAdmission(r registries, skipTargetCheck bool) *queryAdmission {
	return &queryAdmission{
		Handler:         admission.NewHandler(admission.Create, admission.Update),
		registries:      r,
		skipTargetCheck: skipTargetCheck,
	}
}

// query returns the Query that is written, nil if it is something else, its
// status, or about to be gone.
func query(a admission.Attributes) *v1alpha1.Query {
	if a.GetResource().GroupResource() != v1alpha1.Resource("queries") || a.GetSubresource() != "" {
		return nil
	}
	q, ok := a.GetObject().(*v1alpha1.Query)
	if !ok || q.DeletionTimestamp != nil {
		return nil
	}
	return q
}

// Admit fills in the ttl.
func (p *queryAdmission) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	q := query(a)
	if q == nil || q.Spec.TTL != "" {
		return nil
	}
	config, err := p.arkConfig(ctx)
	if err != nil {
		return err
	}
	arkadmission.SetQueryTTL(q, config)
	return nil
}

// arkConfig reads the one ArkConfig; nil: there is none. The watch cache's answer
// will do: most Queries are created without one, and should not pay for a read.
func (p *queryAdmission) arkConfig(ctx context.Context) (*v1alpha1.ArkConfig, error) {
	resource := v1alpha1.Resource("arkconfigs")
	obj, err := p.registries.Get(ctx, resource, "", v1alpha1.DefaultName, false)
	if err != nil && !apierrors.IsNotFound(err) {
		obj, err = p.registries.Get(ctx, resource, "", v1alpha1.DefaultName, true)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	config, ok := obj.(*v1alpha1.ArkConfig)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("read the ArkConfig: found %T", obj))
	}
	return config, nil
}

// Validate refuses a Query whose target is not there, when it is created or
// given another target.
func (p *queryAdmission) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	q := query(a)
	if q == nil || p.skipTargetCheck || q.Spec.Target == nil {
		return nil
	}
	if old, ok := a.GetOldObject().(*v1alpha1.Query); ok && old != nil && old.Spec.Target != nil && *old.Spec.Target == *q.Spec.Target {
		return nil
	}
	errs, err := arkadmission.QueryTarget(ctx, p.registries.Exists, a.GetNamespace(), q)
	if err != nil {
		var status *apierrors.StatusError // keeps its code: a database that is away is no 500
		if errors.As(err, &status) {
			return status
		}
		return apierrors.NewInternalError(err)
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("Query").GroupKind(), q.Name, errs)
	}
	return nil
}
