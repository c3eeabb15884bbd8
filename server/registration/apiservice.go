package registration

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// automanaged is the label by which the cluster's API server keeps the APIServices
	// that it has made for CustomResourceDefinitions. It leaves alone those without it.
	automanaged = "kube-aggregator.kubernetes.io/automanaged"
	// takenOver marks the APIServices that were the cluster's.
	takenOver = "ark.mckinsey.com/taken-over"
	// Priorities of the group and its versions, as the chart has them.
	groupPriority, versionPriority = 1000, 15
	// local is the reason that the cluster gives for an APIService that it serves itself.
	local = "Local"
)

var clusterRoles = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}

// Service is what the APIServices of a group point to.
type Service struct {
	Namespace, Name string
	Port            int64
	Group           string
	Versions        []string

	// TakeOver takes APIServices that the cluster's API server has made for
	// CustomResourceDefinitions of the group, unless objects of them would be hidden.
	TakeOver bool
	// HideCustomResources takes them even so.
	HideCustomResources bool
	// Owner is the ClusterRole whose end gives back what was taken; empty: nobody does.
	Owner string
}

// claims are what was found out about APIServices that are to be taken over.
type claims struct {
	owner *metav1.OwnerReference // nil: none
	err   error                  // why they cannot be
}

// isLocal: the cluster serves it itself.
func isLocal(o *unstructured.Unstructured) bool {
	service, found, err := unstructured.NestedMap(o.Object, "spec", "service")
	return err == nil && (!found || len(service) == 0)
}

func isTaken(o *unstructured.Unstructured) bool { return o.GetAnnotations()[takenOver] == "true" }

// claim finds out whether the APIServices that are the cluster's may be taken, or kept
// in order after they were. None is taken if any may not be: the group is one.
func (r *Registrar) claim(ctx context.Context, objects []*unstructured.Unstructured) (c claims) {
	var versions []string
	taken := false
	for i, o := range objects {
		if o == nil || r.targets[i].resource != apiServices {
			continue
		}
		taken = taken || isTaken(o)
		if isLocal(o) {
			version, _, _ := strings.Cut(o.GetName(), ".")
			versions = append(versions, version)
		}
	}
	if len(versions) == 0 && !taken {
		return claims{}
	}
	if len(versions) > 0 {
		if c.err = r.mayTake(ctx, versions); c.err != nil {
			return c
		}
	}
	c.owner, c.err = r.owner(ctx)
	return c
}

// mayTake says why APIServices of these versions may not be taken; nil: they may.
func (r *Registrar) mayTake(ctx context.Context, versions []string) error {
	service := r.options.Service
	if !service.TakeOver {
		return missingf("the cluster serves custom resources of %s itself (%s), and --take-over is off", service.Group, strings.Join(versions, ", "))
	}
	if service.HideCustomResources {
		return nil
	}
	found, err := r.customResources(ctx, versions)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return missingf("the cluster holds custom resources of %s, which would be hidden: %s; move them, or say --hide-custom-resources",
			service.Group, strings.Join(found, ", "))
	}
	return nil
}

// customResources says which kinds of the cluster's own hold how many objects at
// least.
func (r *Registrar) customResources(ctx context.Context, versions []string) ([]string, error) {
	var found []string
	for _, version := range versions {
		gv := schema.GroupVersion{Group: r.options.Service.Group, Version: version}
		kinds, err := r.discovery.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
		if err != nil {
			return nil, fmt.Errorf("ask for the kinds of %s: %w", gv, err)
		}
		for _, kind := range kinds.APIResources {
			if strings.Contains(kind.Name, "/") {
				continue // a part of another one
			}
			// One is enough, and the cluster may say how many more there are.
			list, err := r.client.Resource(gv.WithResource(kind.Name)).List(ctx, metav1.ListOptions{Limit: 1})
			if err != nil {
				return nil, fmt.Errorf("look for custom resources of the kind %s: %w", kind.Kind, err)
			}
			n := int64(len(list.Items))
			if more := list.GetRemainingItemCount(); more != nil {
				n += *more
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%s (at least %d)", kind.Kind, n))
			}
		}
	}
	return found, nil
}

// owner refers to who owns what is taken.
func (r *Registrar) owner(ctx context.Context) (*metav1.OwnerReference, error) {
	name := r.options.Service.Owner
	if name == "" {
		return nil, nil
	}
	role, err := r.client.Resource(clusterRoles).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, missingf("there is no ClusterRole %s, which is to own the APIServices", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the ClusterRole %s, which is to own the APIServices: %w", name, err)
	}
	return &metav1.OwnerReference{APIVersion: clusterRoles.GroupVersion().String(), Kind: "ClusterRole", Name: name, UID: role.GetUID()}, nil
}

// change gives an APIService the bundle; one that is the cluster's, or was, becomes as
// the chart's are.
func (s *Service) change(o *unstructured.Unstructured, bundle []byte, c claims) error {
	if isLocal(o) && c.err != nil {
		return c.err
	}
	if (isLocal(o) || isTaken(o)) && c.err == nil {
		if err := s.take(o, c.owner); err != nil {
			return fmt.Errorf("take over the APIService %s: %w", o.GetName(), err)
		}
	}
	if namespace, name := serviceOf(o); namespace != s.Namespace || name != s.Name {
		return missingf("the APIService %s points to the Service %s/%s, not to %s/%s", o.GetName(), namespace, name, s.Namespace, s.Name)
	}
	if err := setBundle(o.Object, bundle, "spec", "caBundle"); err != nil {
		return fmt.Errorf("change the APIService %s: %w", o.GetName(), err)
	}
	return nil
}

func serviceOf(o *unstructured.Unstructured) (namespace, name string) {
	service, _, err := unstructured.NestedMap(o.Object, "spec", "service")
	if err != nil {
		return "", ""
	}
	namespace, _ = service["namespace"].(string)
	name, _ = service["name"].(string)
	return namespace, name
}

func (s *Service) take(o *unstructured.Unstructured, owner *metav1.OwnerReference) error {
	labels := o.GetLabels()
	delete(labels, automanaged)
	o.SetLabels(labels)
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[takenOver] = "true"
	o.SetAnnotations(annotations)
	if owner != nil {
		o.SetOwnerReferences([]metav1.OwnerReference{*owner})
	}
	unstructured.RemoveNestedField(o.Object, "spec", "insecureSkipTLSVerify")
	for field, value := range map[string]any{
		"service":              map[string]any{"namespace": s.Namespace, "name": s.Name, "port": s.Port},
		"groupPriorityMinimum": int64(groupPriority), "versionPriority": int64(versionPriority),
	} {
		if err := unstructured.SetNestedField(o.Object, value, "spec", field); err != nil {
			return err
		}
	}
	return nil
}

// available: the cluster's API server reaches Ark's by it.
func available(o *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	if err != nil {
		return false
	}
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if ok && condition["type"] == "Available" {
			return condition["status"] == "True" && condition["reason"] != local
		}
	}
	return false
}
