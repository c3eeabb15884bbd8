package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/server/healthz"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/server/strategy"
)

// retryNamespaces is the pause before the first namespaces are tried again.
const retryNamespaces = 500 * time.Millisecond

// namespaceController does for a stand-alone server what a cluster's controller
// manager does for namespaces: the first ones exist, and one that is deleted is
// emptied, then removed.
type namespaceController struct {
	informer   coreinformers.NamespaceInformer
	registries registries
	clock      clock.Clock
	queue      workqueue.TypedRateLimitingInterface[string]
	ready      atomic.Bool
}

func newNamespaceController(informer coreinformers.NamespaceInformer, r registries, c clock.Clock) *namespaceController {
	return &namespaceController{
		informer: informer, registries: r, clock: c,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 5*time.Second)),
	}
}

// check says whether the first namespaces exist.
func (c *namespaceController) check() healthz.HealthChecker {
	return healthz.NamedCheck("namespaces", func(*http.Request) error {
		if !c.ready.Load() {
			return errors.New("the namespaces default and kube-system are not there yet")
		}
		return nil
	})
}

// run works until ctx ends.
func (c *namespaceController) run(ctx context.Context) {
	defer c.queue.ShutDown()
	logger := klog.FromContext(ctx).WithName("namespaces")
	c.createFirst(ctx)
	registration, err := c.informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, updated any) { c.enqueue(updated) },
	})
	if err != nil {
		if ctx.Err() == nil {
			logger.Error(err, "Deleted namespaces will not be emptied: their informer has stopped")
		}
		return
	}
	defer func() {
		if err := c.informer.Informer().RemoveEventHandler(registration); err != nil {
			logger.V(4).Info("The informer of namespaces keeps its handler", "reason", err.Error())
		}
	}()
	go func() {
		<-ctx.Done()
		c.queue.ShutDown()
	}()
	for c.next(ctx) {
	}
}

// createFirst makes the namespaces that always exist, however long it takes.
func (c *namespaceController) createFirst(ctx context.Context) {
	logger := klog.FromContext(ctx)
	for ctx.Err() == nil {
		err := c.ensure(ctx, metav1.NamespaceDefault, metav1.NamespaceSystem)
		if err == nil {
			c.ready.Store(true)
			return
		}
		logger.V(2).Info("The first namespaces cannot be created yet", "reason", err.Error())
		select {
		case <-ctx.Done():
		case <-c.clock.After(retryNamespaces):
		}
	}
}

func (c *namespaceController) ensure(ctx context.Context, names ...string) error {
	for _, name := range names {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := c.served().Store.Create(request.WithNamespace(ctx, ""), ns, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	return nil
}

func (c *namespaceController) served() *strategy.Served {
	return c.registries[corev1.Resource("namespaces")]
}

func (c *namespaceController) enqueue(obj any) {
	if ns, ok := obj.(*corev1.Namespace); ok && ns.DeletionTimestamp != nil {
		c.queue.Add(ns.Name)
	}
}

// next empties one namespace; what fails is tried again.
func (c *namespaceController) next(ctx context.Context) bool {
	name, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(name)
	if err := c.finalize(ctx, name); err != nil {
		klog.FromContext(ctx).V(2).Info("A namespace is not empty yet", "namespace", name, "reason", err.Error())
		c.queue.AddRateLimited(name)
		return true
	}
	c.queue.Forget(name)
	return true
}

// finalize deletes what is in a namespace that is Terminating, and removes it once
// nothing is left: objects with finalizers take their time.
func (c *namespaceController) finalize(ctx context.Context, name string) error {
	obj, err := c.served().Store.Get(request.WithNamespace(ctx, ""), name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", name, err)
	}
	ns, ok := obj.(*corev1.Namespace)
	if !ok || ns.DeletionTimestamp == nil {
		return nil
	}
	left, err := c.empty(ctx, name)
	if err != nil {
		return err
	}
	if len(left.objects) > 0 || len(ns.Finalizers) > 0 {
		if err := c.report(ctx, ns, left); err != nil {
			return err
		}
	}
	if len(left.objects) > 0 {
		return fmt.Errorf("some objects are left: %s", tally(left.objects, "has"))
	}
	namespaces, ok := c.served().Storage["namespaces"].(*strategy.NamespaceREST)
	if !ok {
		return fmt.Errorf("remove namespace %s: its registry is a %T", name, c.served().Storage["namespaces"])
	}
	if err := namespaces.Remove(request.WithNamespace(ctx, ""), name, ns.UID); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove namespace %s: %w", name, err)
	}
	return nil
}

// empty deletes everything in a namespace, and returns what is left all the same.
func (c *namespaceController) empty(ctx context.Context, name string) (*remains, error) {
	ctx = request.WithNamespace(ctx, name)
	left := &remains{objects: map[string]int64{}, finalizers: map[string]int64{}}
	for _, kind := range c.registries {
		if !kind.Namespaced() {
			continue
		}
		everything := &internalversion.ListOptions{}
		_, err := kind.Store.DeleteCollection(ctx, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{}, everything)
		if err != nil {
			return nil, fmt.Errorf("delete %s: %w", kind.Resource(), err)
		}
		if err := left.add(ctx, kind); err != nil {
			return nil, err
		}
	}
	return left, nil
}
