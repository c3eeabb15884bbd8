package e2e_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
)

var transcript = flag.Bool("transcript", false, "write docs/e2e.md anew")

const storyHead = `# Ark in a cluster, step by step

Written by the end-to-end test (` + "`make transcript`" + `): etcd, kube-apiserver and
kube-controller-manager run as processes, and beside them ` + "`ark server`, `ark controllers`" + `
and ` + "`ark workers`" + ` over one PostgreSQL, each with a service account of its own. The
model is a scripted one. All goes through the cluster's own API server.

`

// testStory is what a new user does, in order.
func testStory(t *testing.T, i *installation, _ int) {
	m := openai.Start(t)
	var out bytes.Buffer
	s := &kubectl.Transcript{Client: i.Client, Out: &out}
	s.Say(t, "The cluster knows the kinds, and that somebody else serves them:")
	kubectl.Contain(t, s.Run(t, "", "get", "apiservices", "v1alpha1.ark.mckinsey.com"), "ark-system/ark-server", "True")
	eventually(t, patience, "the cluster has read what the fields mean", func() error {
		_, err := i.Try("", "explain", "query.spec.target")
		return err
	})
	kubectl.Contain(t, s.Run(t, "", "explain", "query.spec.target"), "type")
	s.Say(t, "A model, its key in a Secret, and an agent:")
	s.Run(t, "", "create", "namespace", "story")
	s.Run(t, m.Manifests(), "apply", "-n", "story", "-f", "-")
	s.Run(t, "", "wait", "-n", "story", "model/default", "--for=condition=ModelAvailable", "--timeout=60s")
	kubectl.Contain(t, s.Run(t, "", "get", "models,agents", "-n", "story"), "True")
	s.Say(t, "A question. Its row in the queue was written in the same transaction; a worker takes it up:")
	s.Run(t, openai.QueryManifest("first", "Who are you?"), "create", "-n", "story", "-f", "-")
	s.Run(t, "", "wait", "-n", "story", "query/first", "--for=condition=Completed", "--timeout=60s")
	kubectl.Contain(t, s.Run(t, "", "get", "queries", "-n", "story", "-o", "wide"), "done")
	kubectl.Contain(t, s.Run(t, "", "get", "query", "first", "-n", "story", "-o", "jsonpath={.status.response.content}"), "answer to Who are you?")
	s.Say(t, "What is wrong is refused, with the path of the field:")
	kubectl.Contain(t, s.Fails(t, strings.Replace(openai.QueryManifest("bad", "?"), "type: agent", "type: oracle", 1), "create", "-n", "story", "-f", "-"), "spec.target.type")
	kubectl.Contain(t, s.Fails(t, strings.Replace(openai.QueryManifest("lost", "?"), "name: echo", "name: nobody", 1), "create", "-n", "story", "-f", "-"), "spec.target.name")
	s.Say(t, "The cluster's own roles hold for Ark's kinds:")
	s.Run(t, "", "create", "rolebinding", "reader", "-n", "story", "--clusterrole=view", "--user=eve")
	kubectl.Contain(t, s.Run(t, "", "get", "agents", "-n", "story", "--as=eve"), "echo")
	kubectl.Contain(t, s.Fails(t, "", "delete", "agent", "echo", "-n", "story", "--as=eve"), "Forbidden")
	s.Say(t, "And all of it goes with its namespace:")
	s.Run(t, "", "delete", "namespace", "story")
	if *transcript {
		text := strings.ReplaceAll(storyHead+out.String(), m.URL, "http://127.0.0.1:8080")
		if err := os.WriteFile("../../docs/e2e.md", []byte(strings.TrimRight(text, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
	}
}
