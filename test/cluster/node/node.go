// Package node is a Kubernetes node that runs Pods as processes of this machine. It
// does for them what a kubelet does, as far as Deployments, Jobs and the Pods of
// tests need it.
package node

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"mckinsey.com/ark/test/cluster/network"
)

const (
	// Name of the node.
	Name = "node"
	// heartbeat is how often the node says that it lives.
	heartbeat = 10 * time.Second
)

// Options of a node.
type Options struct {
	Config   *rest.Config
	Network  *network.Node
	Dir      string // of the Pods' files
	Images   string // NAME/TAG/config.json and NAME/TAG/rootfs
	Rootless bool
	// DNS and API are the addresses of the cluster's name server and API server.
	DNS, API string
	// Cert, Key and ClientCA are those of the server that gives logs.
	Cert, Key, ClientCA string
}

// Node is a running node.
type Node struct {
	Options
	client   kubernetes.Interface
	recorder record.EventRecorder

	mu   sync.Mutex
	pods map[types.UID]*pod
	done sync.WaitGroup
}

// Start registers the node and serves until ctx ends.
func Start(ctx context.Context, o Options) (*Node, error) {
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	events := record.NewBroadcaster(record.WithContext(ctx))
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	n := &Node{
		Options: o, client: client, pods: map[types.UID]*pod{},
		recorder: events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: Name}),
	}
	if err := n.register(ctx); err != nil {
		return nil, err
	}
	if err := n.serveLogs(ctx); err != nil {
		return nil, err
	}
	go n.beat(ctx)
	return n, n.watch(ctx)
}

// register makes the Node, which is ready at once.
func (n *Node) register(ctx context.Context) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI),
		corev1.ResourceMemory: resource.MustParse("16Gi"),
		corev1.ResourcePods:   resource.MustParse("500"),
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: map[string]string{
		corev1.LabelHostname: Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
	}}}
	made, err := n.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("register the node: %w", err)
	}
	now := metav1.Now()
	made.Status = corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: network.NodeIP}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: logPort}},
		NodeInfo:        corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: runtime.GOARCH, ContainerRuntimeVersion: "process://1", KubeletVersion: "v1.37.2"},
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "Pods run as processes",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}},
	}
	if _, err := n.client.CoreV1().Nodes().UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("say that the node is ready: %w", err)
	}
	return n.renew(ctx)
}

// beat renews the node's Lease until ctx ends.
func (n *Node) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := n.renew(ctx); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "The node could not say that it lives")
			}
		}
	}
}

func (n *Node) renew(ctx context.Context) error {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NowMicro()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: Name},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(Name), LeaseDurationSeconds: ptr.To[int32](40), RenewTime: &now},
	}
	if _, err := leases.Create(ctx, lease, metav1.CreateOptions{}); err == nil || apierrors.IsNotFound(err) {
		return nil // the namespace is made a moment after the start
	} else if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make the lease of the node: %w", err)
	}
	patch := fmt.Appendf(nil, `{"spec":{"renewTime":%q}}`, now.UTC().Format(metav1.RFC3339Micro))
	if _, err := leases.Patch(ctx, Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("renew the lease of the node: %w", err)
	}
	return nil
}

// watch follows the Pods of the cluster: there is no other node, and no scheduler.
func (n *Node) watch(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(n.client, 0)
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { n.changed(ctx, object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { n.changed(ctx, object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = gone.Obj
			}
			n.gone(object.(*corev1.Pod))
		},
	})
	if err != nil {
		return fmt.Errorf("follow Pods: %w", err)
	}
	factory.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("follow Pods: %w", ctx.Err())
	}
	return nil
}

// changed binds a Pod that has no node, and tells a Pod that runs what is new.
func (n *Node) changed(ctx context.Context, object *corev1.Pod) {
	if object.Spec.NodeName == "" {
		if object.DeletionTimestamp == nil {
			go n.bind(ctx, object)
		}
		return
	}
	if object.Spec.NodeName != Name {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.pods[object.UID]; ok {
		p.update(object)
		return
	}
	if ended(object) && object.DeletionTimestamp == nil {
		return
	}
	p := newPod(n, object)
	n.pods[object.UID] = p
	n.done.Go(func() {
		p.run(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		if p.released {
			delete(n.pods, object.UID)
		}
	})
}

// gone ends a Pod whose object has been deleted by force.
func (n *Node) gone(object *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.pods[object.UID]; ok {
		p.kill()
		delete(n.pods, object.UID)
	}
}

func (n *Node) bind(ctx context.Context, object *corev1.Pod) {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: Name},
	}
	err := n.client.CoreV1().Pods(object.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		klog.ErrorS(err, "A Pod could not be bound to the node", "pod", klog.KObj(object))
	}
}

// find is a Pod by its name.
func (n *Node) find(namespace, name string) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if o := p.object(); o.Namespace == namespace && o.Name == name {
			return p
		}
	}
	return nil
}

func (n *Node) podDir(uid types.UID) string { return filepath.Join(n.Dir, string(uid)) }

// ended says that a Pod runs no more.
func ended(object *corev1.Pod) bool {
	return object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed
}
