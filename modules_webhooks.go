package main

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"mckinsey.com/ark/server/webhooks"
)

// defaultWebhookPort is where the webhooks listen.
const defaultWebhookPort = 9443

// webhookOptions are the settings of the webhooks module.
type webhookOptions struct {
	Host    string
	Port    int
	CertDir string
}

// startWebhooks starts the module that the cluster's API server asks about custom
// resources: the same rules as those of Ark's own API server.
func (e *environment) startWebhooks(o webhookOptions) error {
	reads, err := cluster.New(e.api, func(c *cluster.Options) {
		c.Scheme, c.Cache, c.Client = scheme, cacheOptions(), clientOptions()
	})
	if err != nil {
		return fmt.Errorf("make the cache of the webhooks: %w", err)
	}
	module, err := webhooks.New(webhooks.Options{
		Reader: reads.GetClient(), Live: reads.GetAPIReader(), Host: o.Host, Port: o.Port, CertDir: o.CertDir, Egress: e.egress,
	})
	if err != nil {
		return fmt.Errorf("make the webhooks: %w", err)
	}
	e.parts.start("cache of the webhooks", reads.Start)
	e.parts.start("webhooks", module.Run)
	e.health.add("webhooks", module.Ready)
	return nil
}
