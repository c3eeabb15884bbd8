package e2e_test

import "testing"

// definitions are what the cluster's own API server stores Ark's kinds by.
const definitions = "../../gen/crd"

// installCRDs has the cluster's own API server store Ark's kinds. It returns when
// they are served.
func (c *cluster) installCRDs(t testing.TB) {
	t.Helper()
	c.Run(t, "", "apply", "--server-side", "-f", definitions)
	c.Run(t, "", "wait", "--for=condition=Established", "--timeout=60s", "-f", definitions)
	// Discovery, and with it kubectl, learns of them a moment later.
	eventually(t, patience, "all kinds are served", func() error {
		_, err := c.Try("", "get", "-A", "a2aservers,a2atasks,agents,arkconfigs,executionengines,mcpservers,memories,models,queries,teams,tools")
		return err
	})
}
