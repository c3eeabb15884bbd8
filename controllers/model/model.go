// Package model reconciles Models: it probes each one and keeps the condition
// ModelAvailable in step with what the probe says.
package model

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

const (
	// defaultPollInterval is how often a Model is probed that says nothing else.
	defaultPollInterval = time.Minute
	// jitter spreads the probes of models that were created together.
	jitter = 0.1
	// concurrency is how many probes may wait for an answer at once.
	concurrency = 16
)

// Prober asks a Model for a sign of life: nil, or why there is none. It also
// returns the address that it asked, if that is known. Both are shown to users, so
// they hold no secret.
type Prober interface {
	Probe(ctx context.Context, m *arkv1alpha1.Model) (address string, err error)
}

// Reconciler probes Models.
type Reconciler struct {
	Client  client.Client
	Prober  Prober
	Timeout time.Duration // of one probe
	Clock   clock.Clock
}

// SetupWithManager registers the controller. Changes of status do not wake it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&arkv1alpha1.Model{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Named("model").
		Complete(r)
}

// Reconcile probes one Model and comes back after its poll interval.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var m arkv1alpha1.Model
	if err := r.Client.Get(ctx, req.NamespacedName, &m); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !m.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if meta.FindStatusCondition(m.Status.Conditions, arkv1alpha1.ConditionModelAvailable) == nil {
		if err := r.setStatus(ctx, &m, m.Status.ResolvedAddress, metav1.ConditionUnknown, arkv1alpha1.ReasonInitializing, "The model is being probed"); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.probe(ctx, &m); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: wait.Jitter(m.Spec.PollInterval.OrDefault(defaultPollInterval), jitter)}, nil
}

// probe asks the model and writes the answer down.
func (r *Reconciler) probe(ctx context.Context, m *arkv1alpha1.Model) error {
	probeCtx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	address, err := r.Prober.Probe(probeCtx, m)
	if ctx.Err() != nil {
		return fmt.Errorf("probe model %s/%s: %w", m.Namespace, m.Name, ctx.Err())
	}
	if err != nil {
		klog.FromContext(ctx).V(2).Info("The probe of a model failed", "model", klog.KObj(m), "err", err)
		return r.setStatus(ctx, m, address, metav1.ConditionFalse, arkv1alpha1.ReasonModelProbeFailed, err.Error())
	}
	return r.setStatus(ctx, m, address, metav1.ConditionTrue, arkv1alpha1.ReasonAvailable, "Model is available")
}

// setStatus writes the status, and nothing at all when it stands already, be it in
// other words.
func (r *Reconciler) setStatus(ctx context.Context, m *arkv1alpha1.Model, address string, status metav1.ConditionStatus, reason, message string) error {
	before := m.DeepCopy()
	if old := meta.FindStatusCondition(m.Status.Conditions, arkv1alpha1.ConditionModelAvailable); old != nil && sameCause(old.Message, message) {
		message = old.Message
	}
	m.Status.ResolvedAddress = address
	meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{
		Type: arkv1alpha1.ConditionModelAvailable, Status: status, Reason: reason, Message: message,
		ObservedGeneration: m.Generation, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
	})
	if equality.Semantic.DeepEqual(before.Status, m.Status) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, m, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of model %s/%s: %w", m.Namespace, m.Name, err)
	}
	return nil
}
