package node

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/test/cluster/network"
)

// status tells the API what a Pod does.
type status struct {
	pod     *pod
	changed chan struct{} // there is something to tell
	ended   chan struct{}

	mu    sync.Mutex
	start metav1.Time
	ip    string
	init  bool
	done  bool
	since map[corev1.PodConditionType]corev1.PodCondition
}

func newStatus(p *pod) *status {
	return &status{
		pod: p, changed: make(chan struct{}, 1), ended: make(chan struct{}), start: metav1.Now(),
		since: map[corev1.PodConditionType]corev1.PodCondition{}, init: len(p.inits) == 0,
	}
}

// dirty says that there is something to tell.
func (s *status) dirty() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *status) network(ip string) {
	s.mu.Lock()
	s.ip = ip
	s.mu.Unlock()
	s.dirty()
}

func (s *status) initialized() {
	s.mu.Lock()
	s.init = true
	s.mu.Unlock()
	s.dirty()
}

// finish has the last word told.
func (s *status) finish() {
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	close(s.ended)
}

// report tells all changes, until the last one is told or the Pod is gone.
func (s *status) report() {
	s.dirty()
	for {
		last := false
		select {
		case <-s.pod.killed.Done():
			return
		case <-s.changed:
		case <-s.ended:
			last = true
		}
		for {
			err := s.tell(s.pod.killed)
			if err == nil || apierrors.IsNotFound(err) || errors.Is(err, context.Canceled) {
				break
			}
			klog.ErrorS(err, "The status of a Pod could not be told", "pod", klog.KObj(s.pod.object()))
			time.Sleep(retry)
		}
		if last {
			return
		}
	}
}

// tell writes the whole status. Of a merge patch, lists are replaced.
func (s *status) tell(ctx context.Context) error {
	o := s.pod.object()
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": o.UID}, "status": s.now()})
	if err != nil {
		return err
	}
	_, err = s.pod.node.client.CoreV1().Pods(o.Namespace).Patch(ctx, o.Name, types.MergePatchType, content, metav1.PatchOptions{}, "status")
	return err
}

// now is the status at this moment.
func (s *status) now() corev1.PodStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.pod.object()
	told := corev1.PodStatus{
		StartTime: &s.start, HostIP: network.NodeIP, HostIPs: []corev1.HostIP{{IP: network.NodeIP}},
		QOSClass: o.Status.QOSClass, ObservedGeneration: o.Generation,
	}
	if s.ip != "" {
		told.PodIP, told.PodIPs = s.ip, []corev1.PodIP{{IP: s.ip}}
	}
	for _, c := range s.pod.inits {
		told.InitContainerStatuses = append(told.InitContainerStatuses, c.told())
	}
	ready, running, failed := true, false, false
	for _, c := range s.pod.main {
		status := c.told()
		told.ContainerStatuses = append(told.ContainerStatuses, status)
		ready = ready && status.Ready
		running = running || status.State.Running != nil || status.RestartCount > 0
		failed = failed || status.State.Terminated == nil || status.State.Terminated.ExitCode != 0
	}
	for _, status := range told.InitContainerStatuses {
		failed = failed || s.done && (status.State.Terminated == nil || status.State.Terminated.ExitCode != 0)
	}
	switch {
	case s.done && failed:
		told.Phase = corev1.PodFailed
	case s.done:
		told.Phase = corev1.PodSucceeded
	case running:
		told.Phase = corev1.PodRunning
	default:
		told.Phase = corev1.PodPending
	}
	reason := ""
	if s.done && !failed {
		reason = "PodCompleted"
	} else if !ready {
		reason = "ContainersNotReady"
	}
	told.Conditions = []corev1.PodCondition{
		s.condition(corev1.PodReadyToStartContainers, s.ip != "", ""), s.condition(corev1.PodInitialized, s.init, ""),
		s.condition(corev1.ContainersReady, ready && !s.done, reason), s.condition(corev1.PodReady, ready && !s.done, reason),
		s.condition(corev1.PodScheduled, true, ""),
	}
	return told
}

// condition keeps the time of the last change.
func (s *status) condition(kind corev1.PodConditionType, holds bool, reason string) corev1.PodCondition {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, LastTransitionTime: metav1.Now()}
	if holds {
		c.Status, c.Reason = corev1.ConditionTrue, ""
	}
	if before, ok := s.since[kind]; ok && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	s.since[kind] = c
	return c
}
