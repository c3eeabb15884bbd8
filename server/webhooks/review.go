package webhooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
	arkadmission "mckinsey.com/ark/internal/admission"
	"mckinsey.com/ark/server/strategy"
)

// statusResource is the part of an object that controllers and workers write.
const statusResource = "status"

// reviewer answers admission reviews by the rules of each kind.
type reviewer struct {
	decoder runtime.Decoder
	rules   map[schema.GroupVersionKind]strategy.Rules
	queries arkadmission.Queries
	// references are looked for past any cache.
	references arkadmission.References
}

func newReviewer(o Options) (*reviewer, error) {
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds: %w", err)
	}
	look := &lookup{Options: o, empty: map[schema.GroupResource]func() runtime.Object{}}
	r := &reviewer{
		decoder: serializer.NewCodecFactory(scheme).UniversalDeserializer(),
		rules:   map[schema.GroupVersionKind]strategy.Rules{},
		queries: arkadmission.Queries{Exists: look.exists, ArkConfig: look.arkConfig, SkipTargetCheck: o.SkipReferenceChecks},
	}
	if !o.SkipReferenceChecks {
		r.references = arkadmission.References{Reader: cmp.Or(o.Live, o.Reader), Egress: o.Egress}
	}
	for _, kind := range strategy.Ark() {
		rules := kind.Rules()
		kinds, _, err := scheme.ObjectKinds(rules.New())
		if err != nil {
			return nil, fmt.Errorf("name the kind of the %s: %w", kind.Resource(), err)
		}
		r.rules[kinds[0]] = rules
		look.empty[kind.GroupVersion().WithResource(kind.Resource()).GroupResource()] = rules.New
	}
	return r, nil
}

// mutate does what a strategy's Prepare does, but for the status, and what admission
// fills in.
func (r *reviewer) mutate(ctx context.Context, req admission.Request) admission.Response {
	rules, refused := r.rulesFor(req, "")
	if refused != nil {
		return *refused
	}
	obj, err := r.decode(rules, req.Object.Raw)
	if err != nil {
		// Not even the schema was asked so far, and it has better words for this: it
		// is next.
		return admission.Allowed("")
	}
	var warnings []string
	if req.Operation == admissionv1.Create {
		warnings = rules.Forgotten(obj)
	}
	before, err := json.Marshal(obj)
	if err != nil {
		return unknown(ctx, fmt.Errorf("encode the object: %w", err))
	}
	rules.Default(obj, r.old(rules, req))
	if q, ok := obj.(*v1alpha1.Query); ok {
		if err := r.queries.Default(ctx, q); err != nil {
			return unknown(ctx, err)
		}
	}
	after, err := json.Marshal(obj)
	if err != nil {
		return unknown(ctx, fmt.Errorf("encode the changed object: %w", err))
	}
	return patch(req.Object.Raw, before, after).WithWarnings(warnings...)
}

// validate does what a strategy's Validate does, and then what admission looks up.
func (r *reviewer) validate(ctx context.Context, req admission.Request) admission.Response {
	rules, refused := r.rulesFor(req, "", statusResource)
	if refused != nil {
		return *refused
	}
	obj, err := r.decode(rules, req.Object.Raw)
	if err != nil {
		return unreadable(req, err)
	}
	old := r.old(rules, req)
	if req.SubResource == statusResource {
		if errs := validateStatus(rules, obj, old); len(errs) > 0 {
			return invalid(req, obj, errs)
		}
		return admission.Allowed("")
	}
	errs := rules.Validate(obj, old)
	if len(errs) == 0 {
		if errs, err = r.references.Validate(ctx, req.Namespace, obj, old); err != nil {
			return unknown(ctx, err)
		}
	}
	if q, ok := obj.(*v1alpha1.Query); ok && len(errs) == 0 {
		before, _ := old.(*v1alpha1.Query) // nil at creation
		if errs, err = r.queries.Validate(ctx, req.Namespace, q, before); err != nil {
			return unknown(ctx, err)
		}
	}
	if len(errs) > 0 {
		return invalid(req, obj, errs)
	}
	return admission.Allowed("").WithWarnings(rules.Warnings(obj)...)
}

// validateStatus checks a changed status. One that was not readable is replaced by
// any that is in itself as it should be.
func validateStatus(rules strategy.Rules, obj, old runtime.Object) field.ErrorList {
	if old == nil {
		old = rules.New()
	}
	return rules.ValidateStatus(obj, old)
}

// rulesFor finds the rules of the kind that is asked about. Other kinds, and other
// parts of objects, are a mistake in the webhook configuration.
func (r *reviewer) rulesFor(req admission.Request, parts ...string) (strategy.Rules, *admission.Response) {
	rules, ok := r.rules[schema.GroupVersionKind(req.Kind)]
	if !ok || !slices.Contains(parts, req.SubResource) || req.Object.Raw == nil {
		response := refusal(apierrors.NewBadRequest(fmt.Sprintf("Ark has no rules for %s of %s %s: the webhook configuration is another release's",
			req.Operation, schema.GroupVersionKind(req.Kind), req.SubResource)).Status())
		return nil, &response
	}
	return rules, nil
}

func (r *reviewer) decode(rules strategy.Rules, raw []byte) (runtime.Object, error) {
	obj := rules.New()
	if _, _, err := r.decoder.Decode(raw, nil, obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// old is the object before an update; nil: there was none, or one that is not
// readable by today's types, and whoever repairs it shall not be kept from it.
func (r *reviewer) old(rules strategy.Rules, req admission.Request) runtime.Object {
	if len(req.OldObject.Raw) == 0 {
		return nil
	}
	old, err := r.decode(rules, req.OldObject.Raw)
	if err != nil {
		return nil
	}
	return old
}

// unreadable refuses an object that the schema lets pass and this binary cannot
// read; but nothing may keep finalizers from being removed.
func unreadable(req admission.Request, err error) admission.Response {
	var obj metav1.PartialObjectMetadata
	if json.Unmarshal(req.Object.Raw, &obj) == nil && obj.DeletionTimestamp != nil {
		return admission.Allowed("")
	}
	return refusal(apierrors.NewBadRequest(err.Error()).Status())
}

// invalid refuses an object in the same words, and with the same causes, as the API
// server over PostgreSQL.
func invalid(req admission.Request, obj runtime.Object, errs field.ErrorList) admission.Response {
	name := req.Name
	if named, ok := obj.(metav1.Object); ok && named.GetName() != "" {
		name = named.GetName()
	}
	kind := schema.GroupKind{Group: req.Kind.Group, Kind: req.Kind.Kind}
	return refusal(apierrors.NewInvalid(kind, name, errs).Status())
}

// unknown is the answer if something could not be found out: it is not about the
// object. A failure of the cluster keeps its code; that these webhooks may not read
// something is no matter of what the user may do.
func unknown(ctx context.Context, err error) admission.Response {
	log.FromContext(ctx).Error(err, "Review an object")
	status := apierrors.NewInternalError(err).Status()
	var reason apierrors.APIStatus
	if errors.As(err, &reason) && reason.Status().Code > http.StatusInternalServerError {
		status = reason.Status()
		status.Message = err.Error()
	}
	return refusal(status)
}

func refusal(status metav1.Status) admission.Response {
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status}}
}
