package install_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
)

var transcript = flag.Bool("transcript", false, "write docs/install.md anew")

// story is what an operator does, with helm and kubectl, as a page to read.
type story struct {
	*kubectl.Transcript
	i *installation
}

func newStory(i *installation, out *bytes.Buffer) *story {
	return &story{Transcript: &kubectl.Transcript{Client: i.Client, Out: out}, i: i}
}

// helm runs helm, which must not fail, with the words that a reader would use.
func (s *story) helm(t *testing.T, args ...string) string {
	t.Helper()
	out := s.i.helm(t, args...)
	s.Note(t, "helm", args, "", out)
	return out
}

// asks has the cluster answer a question, and waits for the answer.
func (s *story) asks(t *testing.T, m *openai.Server, name string) {
	t.Helper()
	s.Run(t, m.Manifests(), "apply", "-f", "-")
	s.Run(t, openai.QueryManifest(name, "Who are you?"), "create", "-f", "-")
	s.Run(t, "", "wait", "query/"+name, "--for=condition=Completed", "--timeout=60s")
	kubectl.Contain(t, s.Run(t, "", "get", "query", name, "-o", "jsonpath={.status.response.content}"), "answer to Who are you?")
}

// objects are all of the cluster that outlive a moment, as resource namespace/name.
func (i *installation) objects(t *testing.T) []string {
	t.Helper()
	all, err := i.tryObjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (i *installation) tryObjects(ctx context.Context) ([]string, error) {
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(i.admin).ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(i.admin)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			if resource.Name == "events" {
				continue
			}
			items, err := client.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", resource.Name, err)
			}
			for _, item := range items.Items {
				all = append(all, fmt.Sprintf("%s.%s %s/%s", resource.Name, version.Group, item.Namespace, item.Name))
			}
		}
	}
	return all, nil
}

// leftOver waits until nothing is there that was not there before, but for what is
// allowed to stay.
func (i *installation) leftOver(t *testing.T, before []string, stays func(object string) bool) {
	t.Helper()
	i.eventually(t, "nothing is left", func() error {
		objects, err := i.tryObjects(t.Context())
		if err != nil {
			return err
		}
		var left []string
		for _, object := range objects {
			if !slices.Contains(before, object) && !stays(object) {
				left = append(left, object)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("left: %q", left)
		}
		return nil
	})
}

const etcdHead = `# Install Ark

Written by a test (` + "`make transcript`" + `): the real helm installs the chart into a real control
plane, whose node runs the Pods as processes. The namespace enforces the restricted
profile of Pod Security. The model is a scripted one, behind a Service. There are two
configurations with the same API.

## In the cluster's own storage

`

const postgresqlHead = `## In PostgreSQL

`

// TestInstall follows the documented command lines, for both backends, from an empty
// cluster to an empty cluster.
func TestInstall(t *testing.T) {
	i := begin(t)
	m := startModel(t, i)
	var page bytes.Buffer
	s := newStory(i, &page)
	page.WriteString(etcdHead)
	t.Run("etcd", func(t *testing.T) { testInstallEtcd(t, s, m) })
	page.WriteString(postgresqlHead)
	t.Run("postgresql", func(t *testing.T) { testInstallPostgreSQL(t, s, m) })
	if *transcript && !t.Failed() {
		text := strings.TrimRight(page.String(), "\n") + "\n"
		if err := os.WriteFile("../../docs/install.md", []byte(text), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
	}
}

func testInstallEtcd(t *testing.T, s *story, m *openai.Server) {
	before := s.i.objects(t)
	s.Say(t, "Resources are custom resources of the cluster; the namespace must be there:")
	kubectl.Contain(t, s.helm(t, "install", "ark", "./chart", "-n", namespace, "--wait"), "STATUS: deployed")
	s.Run(t, "", "get", "pods,services", "-n", namespace)
	s.Say(t, "Once helm has returned, Ark can be used:")
	s.asks(t, m, "first")
	s.Say(t, "Or let a Pod find out, which asks a scripted model of its own:")
	kubectl.Contain(t, s.helm(t, "test", "ark", "-n", namespace), "Phase:          Succeeded")
	s.Say(t, "Uninstalling keeps the definitions, and so the data:")
	s.helm(t, "uninstall", "ark", "-n", namespace, "--wait")
	kubectl.Contain(t, s.Run(t, "", "get", "queries,agents,models"), "first", "done")
	s.i.leftOver(t, before, func(object string) bool {
		return strings.Contains(object, "ark.mckinsey.com") || strings.HasPrefix(object, "secrets. default/")
	})
	s.Say(t, "Installed again, it finds them:")
	s.helm(t, "install", "ark", "./chart", "-n", namespace, "--wait")
	s.asks(t, m, "second")
	s.i.clean(t)
}

func testInstallPostgreSQL(t *testing.T, s *story, m *openai.Server) {
	d := startDatabase(t, s.i)
	before := s.i.objects(t)
	s.Say(t, "Resources are in a database, behind Ark's own API server. The Secret with the password must be there:")
	s.i.Run(t, "", "delete", "secret", credentials, "-n", namespace, "--ignore-not-found")
	d.secret(t, s.i, d.password)
	s.Note(t, "kubectl", []string{"create", "secret", "generic", credentials, "-n", namespace, "--from-literal=password=..."}, "", "secret/"+credentials+" created\n")
	s.Say(t, "A Job makes the database if it is missing, and brings it to the schema of the release, before anything else changes:")
	kubectl.Contain(t, s.helm(t, append([]string{"install", "ark", "./chart", "-n", namespace, "--wait"}, postgresqlFlags...)...), "STATUS: deployed")
	s.Run(t, "", "get", "pods,services", "-n", namespace)
	kubectl.Contain(t, s.Run(t, "", "get", "apiservices", "v1alpha1.ark.mckinsey.com", "v1prealpha1.ark.mckinsey.com"), "ark-system/ark-server", "True")
	kubectl.NotContain(t, s.i.Run(t, "", "get", "crd", "-o", "name"), "ark.mckinsey.com")
	s.asks(t, m, "first")
	kubectl.Contain(t, s.helm(t, "test", "ark", "-n", namespace), "Phase:          Succeeded")
	s.Say(t, "Uninstalling leaves the database alone:")
	s.helm(t, "uninstall", "ark", "-n", namespace, "--wait")
	s.i.leftOver(t, before, func(object string) bool {
		return strings.HasPrefix(object, "secrets. default/") || strings.HasSuffix(object, namespace+"/"+credentials)
	})
	if n := ask[int64](t, d, "ark", "SELECT count(*) FROM observe.queries WHERE name = 'first' AND phase = 'done'"); n != 1 {
		t.Errorf("%d queries are left in the database", n)
	}
	s.Say(t, "Installed again, it finds what was there:")
	s.helm(t, append([]string{"install", "ark", "./chart", "-n", namespace, "--wait"}, postgresqlFlags...)...)
	kubectl.Contain(t, s.Run(t, "", "get", "queries,agents,models"), "first", "done")
	s.asks(t, m, "second")
	s.i.clean(t)
}
