package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
)

// awaitAPI returns once the cluster serves Ark's kinds: from this process, or from
// another one.
func awaitAPI(ctx context.Context, cluster *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(cluster)
	if err != nil {
		return fmt.Errorf("make a client for discovery: %w", err)
	}
	for said := false; ; said = true {
		err := served(ctx, client)
		if err == nil {
			return nil
		}
		if !said {
			klog.InfoS("Waiting until the cluster serves Ark's kinds", "reason", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(gateInterval):
		}
	}
}

// served asks as clients do that find out about kinds by themselves: the list of
// groups, which knows of a version a moment after it can be asked for, and then the
// version.
func served(ctx context.Context, client *discovery.DiscoveryClient) error {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("list the groups of the cluster: %w", err)
	}
	for _, version := range []schema.GroupVersion{v1alpha1.GroupVersion, v1prealpha1.GroupVersion} {
		if !offers(groups, version) {
			return fmt.Errorf("the cluster does not offer %s", version)
		}
		if _, err := client.ServerResourcesForGroupVersionWithContext(ctx, version.String()); err != nil {
			return fmt.Errorf("list the kinds of %s: %w", version, err)
		}
	}
	return nil
}

func offers(groups *metav1.APIGroupList, version schema.GroupVersion) bool {
	return slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool {
		return slices.ContainsFunc(g.Versions, func(v metav1.GroupVersionForDiscovery) bool { return v.GroupVersion == version.String() })
	})
}
