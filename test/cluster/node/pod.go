package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"mckinsey.com/ark/test/cluster/network"
)

// retry is the pause between two tries of what a Pod waits for.
const retry = 500 * time.Millisecond

// pod runs one Pod from its first container to its last.
type pod struct {
	node *Node
	// killed ends at once when the object is gone; stopping is closed when the Pod
	// is to end in order.
	killed   context.Context
	kill     context.CancelFunc
	stopping chan struct{}
	released bool // its object is gone; written by run, read after it
	network  *network.Pod
	volumes  *volumes
	inits    []*instance
	main     []*instance
	status   *status

	mu     sync.Mutex
	latest *corev1.Pod
}

func newPod(n *Node, object *corev1.Pod) *pod {
	p := &pod{node: n, latest: object, stopping: make(chan struct{})}
	p.killed, p.kill = context.WithCancel(context.Background())
	for i := range object.Spec.InitContainers {
		p.inits = append(p.inits, newInstance(p, &object.Spec.InitContainers[i]))
	}
	for i := range object.Spec.Containers {
		p.main = append(p.main, newInstance(p, &object.Spec.Containers[i]))
	}
	p.status = newStatus(p)
	p.update(object)
	return p
}

func (p *pod) object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// update is told what is new of the object.
func (p *pod) update(object *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = object
	if object.DeletionTimestamp != nil {
		select {
		case <-p.stopping:
		default:
			close(p.stopping)
		}
	}
}

func (p *pod) warn(reason, message string, args ...any) {
	p.node.recorder.Eventf(p.object(), corev1.EventTypeWarning, reason, message, args...)
}

func (p *pod) note(reason, message string, args ...any) {
	p.node.recorder.Eventf(p.object(), corev1.EventTypeNormal, reason, message, args...)
}

// run runs the Pod until it has ended, and until its object is gone if somebody has
// asked for that. What it held is free afterwards.
func (p *pod) run(ctx context.Context) {
	// A Pod ends in order before the node does not: the node's end is that of all.
	defer p.kill()
	defer context.AfterFunc(ctx, p.kill)()
	reporting := make(chan struct{})
	go func() {
		defer close(reporting)
		p.status.report()
	}()
	if err := p.work(); err != nil && p.killed.Err() == nil {
		klog.ErrorS(err, "A Pod could not run", "pod", klog.KObj(p.object()))
	}
	p.status.finish()
	<-reporting
	p.release()
	if p.killed.Err() == nil {
		// Its logs can be read until somebody deletes it.
		select {
		case <-p.stopping:
			p.forget(ctx)
		case <-p.killed.Done():
		}
	}
	p.released = true
	if err := os.RemoveAll(p.node.podDir(p.object().UID)); err != nil {
		klog.ErrorS(err, "The files of a Pod are left", "pod", klog.KObj(p.object()))
	}
}

// work is the life of the Pod.
func (p *pod) work() (err error) {
	dir := p.node.podDir(p.object().UID)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // users of containers go through it
		return fmt.Errorf("make the folder of the Pod: %w", err)
	}
	if p.network, err = p.node.Network.Add(); err != nil {
		return err
	}
	p.status.network(p.network.IP)
	p.volumes = newVolumes(p, dir)
	if !p.mount() {
		return nil // deleted before
	}
	updating, stop := context.WithCancel(p.killed)
	defer stop()
	go p.volumes.follow(updating)
	for _, c := range p.inits {
		if !c.run() {
			return nil
		}
	}
	p.status.initialized()
	var all sync.WaitGroup
	for _, c := range p.main {
		all.Go(func() { c.run() })
	}
	all.Wait()
	return nil
}

// mount fills the volumes, and says while it cannot.
func (p *pod) mount() bool {
	said := ""
	for {
		err := p.volumes.fill(p.killed)
		if err == nil {
			return true
		}
		if err.Error() != said {
			said = err.Error()
			p.warn("FailedMount", "MountVolume.SetUp failed: %v", err)
		}
		if !p.pause(retry) {
			return false
		}
	}
}

// pause waits; false: the Pod is to end.
func (p *pod) pause(d time.Duration) bool {
	select {
	case <-p.killed.Done():
		return false
	case <-p.stopping:
		return false
	case <-time.After(d):
		return true
	}
}

// release gives back what the Pod held, but its logs.
func (p *pod) release() {
	var all []error
	if p.volumes != nil {
		all = append(all, p.volumes.remove())
	}
	if p.network != nil {
		all = append(all, p.network.Remove())
	}
	if err := errors.Join(all...); err != nil {
		klog.ErrorS(err, "A Pod has left something", "pod", klog.KObj(p.object()))
	}
}

// forget deletes the object of a Pod that has ended, as somebody has asked.
func (p *pod) forget(ctx context.Context) {
	o := p.object()
	err := p.node.client.CoreV1().Pods(o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &o.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
		klog.ErrorS(err, "A Pod that has ended could not be deleted", "pod", klog.KObj(o))
	}
}

// grace is how long the Pod has for its end.
func (p *pod) grace() time.Duration {
	o := p.object()
	seconds := ptr.Deref(o.Spec.TerminationGracePeriodSeconds, 30)
	if o.DeletionGracePeriodSeconds != nil {
		seconds = *o.DeletionGracePeriodSeconds
	}
	return time.Duration(seconds) * time.Second
}
