package server

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"mckinsey.com/ark/api/v1alpha1"
	arkadmission "mckinsey.com/ark/internal/admission"
)

// lookAround makes what has to look around part of admission: how long a finished
// Query is kept, and whether what an object refers to is there.
type lookAround struct {
	*admission.Handler
	queries    arkadmission.Queries
	references arkadmission.References
}

var (
	_ admission.MutationInterface   = (*lookAround)(nil)
	_ admission.ValidationInterface = (*lookAround)(nil)
)

// newLookAround reads Secrets and their like with a client of the API server that
// has them.
func newLookAround(r registries, core *rest.Config, o Options) (*lookAround, error) {
	p := &lookAround{
		Handler: admission.NewHandler(admission.Create, admission.Update),
		queries: arkadmission.Queries{Exists: r.Exists, ArkConfig: r.ArkConfig, SkipTargetCheck: o.SkipReferenceChecks},
	}
	if o.SkipReferenceChecks {
		return p, nil
	}
	client, err := kubernetes.NewForConfig(core)
	if err != nil {
		return nil, fmt.Errorf("make a client for what objects refer to: %w", err)
	}
	p.references = arkadmission.References{Reader: coreReader{client}, Egress: o.Egress}
	return p, nil
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
func (p *lookAround) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	q := query(a)
	if q == nil {
		return nil
	}
	return unknown(p.queries.Default(ctx, q))
}

// Validate refuses what refers to something that is not there.
func (p *lookAround) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || a.GetResource().Group != v1alpha1.GroupName {
		return nil
	}
	errs, err := p.references.Validate(ctx, a.GetNamespace(), a.GetObject(), a.GetOldObject())
	if err != nil {
		return unknown(err)
	}
	if q := query(a); q != nil && len(errs) == 0 {
		old, _ := a.GetOldObject().(*v1alpha1.Query) // nil at creation
		if errs, err = p.queries.Validate(ctx, a.GetNamespace(), q, old); err != nil {
			return unknown(err)
		}
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(a.GetKind().GroupKind(), a.GetName(), errs)
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
