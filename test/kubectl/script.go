package kubectl

import (
	"strings"
	"testing"
)

// AgentManifest is an Agent that people change.
const AgentManifest = `apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata:
  name: weather
  labels: {team: blue}
spec:
  description: first
  prompt: You know the weather.
  tools:
  - {type: http, name: get-weather}
`

// ConfigMapManifest is a ConfigMap that they change.
const ConfigMapManifest = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: green}
`

// Script goes through what people do with kubectl, each part in a
// namespace of its own of one server.
func Script(t *testing.T, c *Client) {
	t.Helper()
	parts := []struct {
		name string
		run  func(t *testing.T, c *Client, ns string)
	}{
		{"get", testGet}, {"watch", testWatch}, {"chunks", testChunks}, {"describe", testDescribe},
		{"explain", testExplain}, {"apply", testApply}, {"serverSideApply", testServerSideApply},
		{"diff", testDiff}, {"edit", testEdit}, {"patch", testPatch}, {"metadata", testMetadata},
		{"delete", testDelete}, {"wait", testWait}, {"dryRun", testDryRun}, {"refuse", testRefuse},
		{"unknownFields", testUnknownFields}, {"events", testEvents}, {"expiry", testExpiry}, {"statusApart", testStatusApart},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			ns := strings.ToLower(part.name)
			c.Run(t, "", "create", "namespace", ns)
			part.run(t, c, ns)
		})
	}
	t.Run("apiResources", func(t *testing.T) {
		out := c.Run(t, "", "api-resources", "--api-group=ark.mckinsey.com")
		for _, kind := range []string{"Agent", "Model", "Query", "Team", "Tool", "MCPServer", "Memory", "A2ATask", "ArkConfig", "A2AServer", "ExecutionEngine"} {
			Contain(t, out, kind)
		}
	})
}
