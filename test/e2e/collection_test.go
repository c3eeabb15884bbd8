package e2e_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
)

// patience is how long a test waits for what the cluster does in its own time:
// its garbage collector looks for new kinds every half a minute.
const patience = 2 * time.Minute

func testPrune(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "prune")
	prune := func(names ...string) string {
		var manifests []string
		for _, name := range names {
			manifests = append(manifests, strings.Replace(fmt.Sprintf(agent, name), "metadata: {", "metadata: {labels: {app: pruned}, ", 1))
		}
		return i.Run(t, strings.Join(manifests, "---\n"), "apply", "-n", "prune", "--prune", "-l", "app=pruned",
			"--prune-allowlist=ark.mckinsey.com/v1alpha1/Agent", "-f", "-")
	}
	prune("kept", "dropped")
	kubectl.Contain(t, prune("kept"), "dropped pruned")
	kubectl.Contain(t, i.Run(t, "", "get", "agents", "-n", "prune", "-o", "name"), "kept")
}

// testGarbage: dependents are collected with their owner, before it, or left.
func testGarbage(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "garbage")
	// Orphans last: the collector must have seen the kinds before it is asked to
	// leave some of their objects alone.
	for _, policy := range []string{"background", "foreground", "orphan"} {
		i.deleteOwner(t, policy)
	}
	kubectl.NotContain(t, i.Run(t, "", "get", "tool", "dependent-orphan", "-n", "garbage", "-o", "yaml"), "ownerReferences")
}

// deleteOwner deletes an Agent that owns a Tool, and waits for what must go.
func (i *installation) deleteOwner(t *testing.T, policy string) {
	t.Helper()
	owner, dependent := "owner-"+policy, "dependent-"+policy
	i.Run(t, fmt.Sprintf(agent, owner), "create", "-n", "garbage", "-f", "-")
	uid := i.Run(t, "", "get", "agent", owner, "-n", "garbage", "-o", "jsonpath={.metadata.uid}")
	i.Run(t, fmt.Sprintf(`apiVersion: ark.mckinsey.com/v1alpha1
kind: Tool
metadata:
  name: %s
  ownerReferences:
  - {apiVersion: ark.mckinsey.com/v1alpha1, kind: Agent, name: %s, uid: %s, blockOwnerDeletion: true}
spec: {type: builtin, builtin: {name: noop}}
`, dependent, owner, uid), "create", "-n", "garbage", "-f", "-")
	i.Run(t, "", "delete", "agent", owner, "-n", "garbage", "--cascade="+policy, "--wait=false")
	gone := []string{"agent/" + owner}
	if policy != "orphan" {
		gone = append(gone, "tool/"+dependent)
	}
	i.Run(t, "", append([]string{"wait", "--for=delete", "--timeout=" + patience.String(), "-n", "garbage"}, gone...)...)
}

// testNamespaceDeletion: the cluster empties a namespace of Ark's kinds too, and
// nothing new comes in meanwhile.
func testNamespaceDeletion(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "gone")
	for n := range 3 {
		i.Run(t, strings.Replace(fmt.Sprintf(agent, fmt.Sprint("a", n)), "metadata: {", "metadata: {finalizers: [example.com/wait], ", 1),
			"create", "-n", "gone", "-f", "-")
	}
	i.Run(t, "", "delete", "namespace", "gone", "--wait=false")
	eventually(t, patience, "the agents are being deleted", func() error {
		out, err := i.Try("", "get", "agents", "-n", "gone", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}")
		if err == nil && len(strings.Fields(out)) != 3 {
			err = fmt.Errorf("deletion timestamps: %q", out)
		}
		return err
	})
	i.MustFail(t, fmt.Sprintf(agent, "late"), []string{"being terminated"}, "create", "-n", "gone", "-f", "-")
	for n := range 3 {
		i.Run(t, "", "patch", "agent", fmt.Sprint("a", n), "-n", "gone", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	}
	i.Run(t, "", "wait", "--for=delete", "namespace/gone", "--timeout="+patience.String())
}

// testCertificates: a certificate that was renewed is served without a restart.
func testCertificates(t *testing.T, i *installation, port int) {
	serial := func() string {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is looked at
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	i.issue(t)
	eventually(t, patience, "the new certificate is served", func() error {
		if now := serial(); now == before {
			return fmt.Errorf("it is still %s", now)
		}
		return nil
	})
	i.Run(t, "", "get", "agents", "-A")
}
