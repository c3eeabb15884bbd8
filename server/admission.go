package server

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"

	"mckinsey.com/ark/api/v1alpha1"
	arkadmission "mckinsey.com/ark/internal/admission"
)

// queryAdmission makes what has to look around part of admission: how long a
// finished Query is kept, and whether its target is there.
type queryAdmission struct {
	*admission.Handler
	queries arkadmission.Queries
}

var (
	_ admission.MutationInterface   = (*queryAdmission)(nil)
	_ admission.ValidationInterface = (*queryAdmission)(nil)
)

func newQueryAdmission(r registries, skipTargetCheck bool) *queryAdmission {
	return &queryAdmission{
		Handler: admission.NewHandler(admission.Create, admission.Update),
		queries: arkadmission.Queries{Exists: r.Exists, ArkConfig: r.ArkConfig, SkipTargetCheck: skipTargetCheck},
	}
}

// query returns the Query that is written, nil if it is something else or its
// status.
func query(a admission.Attributes) *v1alpha1.Query {
	if a.GetResource().GroupResource() != v1alpha1.Resource("queries") || a.GetSubresource() != "" {
		return nil
	}
	q, ok := a.GetObject().(*v1alpha1.Query)
	if !ok {
		return nil
	}
	return q
}

// Admit fills in the ttl.
func (p *queryAdmission) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	q := query(a)
	if q == nil {
		return nil
	}
	return unknown(p.queries.Default(ctx, q))
}

// Validate refuses a Query whose target is not there.
func (p *queryAdmission) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	q := query(a)
	if q == nil {
		return nil
	}
	old, _ := a.GetOldObject().(*v1alpha1.Query) // nil at creation
	errs, err := p.queries.Validate(ctx, a.GetNamespace(), q, old)
	if err != nil {
		return unknown(err)
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("Query").GroupKind(), q.Name, errs)
	}
	return nil
}

// unknown is the answer if something could not be found out. It keeps the code of
// the reason: a database that is away is no 500.
func unknown(err error) error {
	var status *apierrors.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return status
	}
	return apierrors.NewInternalError(err)
}
