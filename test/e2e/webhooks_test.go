package e2e_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	ctrlcluster "sigs.k8s.io/controller-runtime/pkg/cluster"

	arkinstall "mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/server/webhooks"
	"mckinsey.com/ark/test/kubectl"
)

// TestWebhooks: what the strategies of Ark's own API server do, its webhooks do
// where the cluster's API server stores the kinds.
func TestWebhooks(t *testing.T) {
	c := startCluster(t)
	c.installCRDs(t)
	port := freePort(t)
	stop := c.serveWebhooks(t, port)
	c.registerWebhooks(t, port)
	for _, part := range []struct {
		name string
		run  func(t *testing.T, c *cluster, ns string)
	}{
		{"defaults", testHookDefaults}, {"migration", testHookMigration}, {"refusals", testHookRefusals}, {"causes", testHookCauses},
		{"targets", testHookTargets}, {"patches", testHookPatches}, {"finalizers", testHookFinalizers}, {"status", testHookStatus}, {"future", testHookFuture},
		{"ttl", testHookTTL},
	} {
		t.Run(part.name, func(t *testing.T) {
			ns := "hooks-" + part.name
			c.Run(t, "", "create", "namespace", ns)
			part.run(t, c, ns)
		})
	}
	stop()
	c.MustFail(t, fmt.Sprintf(agent, "late"), []string{"failed calling webhook", "mutate.ark.mckinsey.com"}, "create", "-f", "-")
}

// serveWebhooks serves the webhooks with the rights of their service account, until
// the end of the test or of what it returns.
func (c *cluster) serveWebhooks(t *testing.T, port int) (stop func()) {
	t.Helper()
	c.grant(t, onEtcd, "webhook.apart=true")
	config := must(clientcmd.BuildConfigFromFlags("", c.account(t, "ark-webhooks")))(t)
	scheme := runtime.NewScheme()
	if err := arkinstall.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reads := must(ctrlcluster.New(config, func(o *ctrlcluster.Options) { o.Scheme = scheme }))(t)
	dir := t.TempDir()
	c.backend.issue(t, "ark-webhooks", []string{"ark-webhooks." + namespace + ".svc"}, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	module := must(webhooks.New(webhooks.Options{
		Reader: reads.GetClient(), Live: reads.GetAPIReader(), Host: "127.0.0.1", Port: port, CertDir: dir,
	}))(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	for _, run := range []func(context.Context) error{reads.Start, module.Run} {
		go func() { done <- run(ctx) }()
	}
	eventually(t, patience, "the webhooks are ready", func() error { return module.Ready(nil) })
	stop = func() {
		if ctx.Err() != nil {
			return
		}
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// registerWebhooks has the cluster's API server ask webhooks on a port of this
// machine, and returns when it does.
func (c *cluster) registerWebhooks(t testing.TB, port int) {
	t.Helper()
	c.Run(t, externalService("ark-webhooks", port), "apply", "-f", "-")
	manifest := string(must(os.ReadFile("../../chart/files/webhooks.yaml"))(t))
	manifest = strings.ReplaceAll(manifest, "port: 443", fmt.Sprintf("port: %d", port))
	manifest = strings.ReplaceAll(manifest, "  clientConfig:\n", "  clientConfig:\n    caBundle: "+base64.StdEncoding.EncodeToString(c.backend.pem)+"\n")
	c.Run(t, manifest, "apply", "-f", "-")
	bad := `{apiVersion: ark.mckinsey.com/v1alpha1, kind: Query, metadata: {name: x}, spec: {input: hi}}`
	eventually(t, patience, "both webhooks are asked", func() error {
		if out, err := c.Try(fmt.Sprintf(agent, "x"), "create", "-f", "-", "--dry-run=server", "-o", "jsonpath={.spec.modelRef.name}"); err != nil || out != "default" {
			return fmt.Errorf("an agent has the model %q: %w", out, err)
		}
		if _, err := c.Try(bad, "create", "-f", "-", "--dry-run=server"); err == nil {
			return errors.New("a query without a target is accepted")
		}
		return nil
	})
}

// query is a manifest of a Query; what stands in spec beside the input is given.
func query(name, spec string) string {
	return fmt.Sprintf("apiVersion: ark.mckinsey.com/v1alpha1\nkind: Query\nmetadata: {name: %s}\nspec: {input: hi, %s}\n", name, spec)
}

const asksWeather = "target: {type: agent, name: weather}"

// withWeather makes the agent that queries ask.
func (c *cluster) withWeather(t *testing.T, ns string) {
	t.Helper()
	c.Run(t, fmt.Sprintf(agent, "weather"), "create", "-n", ns, "-f", "-")
}

func (c *cluster) expect(t *testing.T, ns, object, path, want string) {
	t.Helper()
	if got := c.Run(t, "", "get", "-n", ns, object, "-o", "jsonpath={"+path+"}"); got != want {
		t.Errorf("%s of %s is %q, want %q", path, object, got, want)
	}
}

func testHookDefaults(t *testing.T, c *cluster, ns string) {
	c.withWeather(t, ns)
	c.expect(t, ns, "agent/weather", ".spec.modelRef.name", "default")
	c.Run(t, query("q", asksWeather), "create", "-n", ns, "-f", "-")
	c.expect(t, ns, "query/q", ".spec.type} {.spec.timeout", "user 5m")
	c.expect(t, ns, "query/q", ".spec.ttl", "720h")
	c.Run(t, strings.Replace(query("own", "ttl: 1m, "+asksWeather), "name: own", "generateName: own-", 1), "create", "-n", ns, "-f", "-")
	kubectl.Contain(t, c.Run(t, "", "get", "-n", ns, "queries", "-o", "jsonpath={.items[*].spec.ttl}"), "1m")
	// Who restores a Query that has ended is told that it runs anew.
	kubectl.Contain(t, c.Run(t, query("restored", asksWeather)+"status: {phase: done}\n", "create", "-n", ns, "-f", "-"), "Warning: status.phase", "executed anew")
}

// former are manifests of earlier releases.
const former = `apiVersion: ark.mckinsey.com/v1alpha1
kind: Model
metadata: {name: m}
spec: {type: openai, model: {value: m}, config: {openai: {baseUrl: {value: "https://x.test"}, apiKey: {value: k}}}}
---
apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: a}
spec: {tools: [{type: custom, name: t}]}
---
apiVersion: ark.mckinsey.com/v1alpha1
kind: Team
metadata: {name: t}
spec: {strategy: round-robin, maxTurns: 3, members: [{type: agent, name: a}]}
---
apiVersion: ark.mckinsey.com/v1alpha1
kind: Query
metadata: {name: q}
spec: {type: messages, input: [{role: user, content: hi}], target: {type: agent, name: a}}
`

// testHookMigration: manifests of earlier releases can be applied, as often as one
// likes, and say what is deprecated.
func testHookMigration(t *testing.T, c *cluster, ns string) {
	for _, command := range []string{"create", "apply"} {
		out := c.Run(t, former, command, "-n", ns, "-f", "-")
		kubectl.Contain(t, out, "Warning: spec.type: openai is a provider", "Warning: spec.tools: the type custom of t is deprecated",
			"Warning: spec.strategy: round-robin is deprecated", "Warning: spec.type: messages is deprecated")
	}
	for object, want := range map[string]string{
		"model/m": "completions openai", "agent/a": "default", "team/t": "sequential true 3", "query/q": "user hi",
	} {
		path := map[string]string{
			"model/m": ".spec.type} {.spec.provider", "agent/a": ".spec.modelRef.name",
			"team/t": ".spec.strategy} {.spec.loops} {.spec.maxTurns", "query/q": ".spec.type} {.spec.input",
		}[object]
		c.expect(t, ns, object, path, want)
		c.expect(t, ns, object, ".metadata.generation", "1")
	}
}

// testHookRefusals: kubectl names the fields that are wrong, of every version.
func testHookRefusals(t *testing.T, c *cluster, ns string) {
	for manifest, want := range map[string]string{
		"v1alpha1 Query {input: hi}": `The Query "x" is invalid: spec.target: Required value: target or selector is needed`,
		"v1alpha1 Team {strategy: sequential, maxTurns: 2, members: [{type: agent, name: a}]}": `The Team "x" is invalid: spec.maxTurns: Forbidden: the strategy sequential has it only with loops: true`,
		"v1alpha1 Team {strategy: round-robin, maxTurns: many, members: []}":                   `spec.maxTurns: Invalid value: "string"`,
		"v1alpha1 Tool {type: http}":                        `The Tool "x" is invalid: spec.http: Required value`,
		"v1alpha1 Memory {address: {}}":                     `The Memory "x" is invalid: spec.address: Required value: value or valueFrom is needed`,
		"v1alpha1 MCPServer {address: {}, transport: http}": `The MCPServer "x" is invalid: spec.address: Required value`,
		"v1prealpha1 A2AServer {address: {}}":               `The A2AServer "x" is invalid: spec.address: Required value`,
		"v1prealpha1 ExecutionEngine {address: {}}":         `The ExecutionEngine "x" is invalid: spec.address: Required value`,
	} {
		part := strings.SplitN(manifest, " ", 3)
		text := fmt.Sprintf("{apiVersion: ark.mckinsey.com/%s, kind: %s, metadata: {name: x}, spec: %s}", part[0], part[1], part[2])
		c.MustFail(t, text, []string{want}, "create", "-n", ns, "-f", "-")
	}
}

// testHookCauses: clients get what the API server over PostgreSQL answers: Invalid,
// with a cause for each field.
func testHookCauses(t *testing.T, c *cluster, ns string) {
	client := must(dynamic.NewForConfig(c.admin))(t).Resource(v1alpha1.GroupVersion.WithResource("queries")).Namespace(ns)
	_, err := client.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Query", "metadata": map[string]any{"generateName": "q-"},
		"spec": map[string]any{"input": "hi", "timeout": "-1s"},
	}}, metav1.CreateOptions{})
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.ErrStatus.Code != 422 {
		t.Fatalf("the error is %v", err)
	}
	var fields []string
	for _, cause := range status.ErrStatus.Details.Causes {
		fields = append(fields, cause.Field)
	}
	if got := strings.Join(fields, " "); got != "spec.target spec.timeout" || status.ErrStatus.Details.Kind != "Query" {
		t.Errorf("the details are %+v", status.ErrStatus.Details)
	}
}

// testHookTargets: a Query asks what is there, when it is created or asks another.
func testHookTargets(t *testing.T, c *cluster, ns string) {
	refused := []string{`The Query "q" is invalid: spec.target.name: Not found: "weather": there is no agent of that name in namespace ` + ns}
	c.MustFail(t, query("q", asksWeather), refused, "create", "-n", ns, "-f", "-")
	c.Run(t, fmt.Sprintf(agent, "weather")+"---\n"+query("q", asksWeather), "create", "-n", ns, "-f", "-") // at once
	for _, kind := range []string{"team", "model", "tool"} {
		c.MustFail(t, query("x", "target: {type: "+kind+", name: weather}"), []string{"there is no " + kind}, "create", "-n", ns, "-f", "-")
	}
	c.Run(t, "", "delete", "agent", "weather", "-n", ns)
	c.Run(t, "", "label", "query", "q", "-n", ns, "still=possible")
	c.MustFail(t, "", []string{"spec.target.name: Not found"}, "patch", "query", "q", "-n", ns, "--type=merge", "-p", `{"spec":{"target":{"name":"other"}}}`)
}

func testHookPatches(t *testing.T, c *cluster, ns string) {
	c.withWeather(t, ns)
	apply := func(manager, spec string) {
		c.Run(t, query("q", spec), "apply", "--server-side", "--field-manager", manager, "-n", ns, "-f", "-")
	}
	version := func() string {
		return c.Run(t, "", "get", "query", "q", "-n", ns, "-o", "jsonpath={.metadata.resourceVersion}")
	}
	apply("one", asksWeather)
	before := version()
	apply("one", asksWeather)
	if version() != before {
		t.Error("applied again, it is another version")
	}
	// Nobody owns what the webhook has filled in: another manager may set it.
	apply("two", asksWeather+", ttl: 2h")
	c.expect(t, ns, "query/q", ".spec.ttl", "2h")
	apply("two", asksWeather)
	c.expect(t, ns, "query/q", ".spec.ttl", "720h")
	for kind, patch := range map[string]string{
		"merge": `{"spec":{"ttl":null,"timeout":"1m"}}`,
		"json":  `[{"op":"remove","path":"/spec/ttl"},{"op":"add","path":"/spec/timeout","value":"1m"}]`,
	} {
		c.Run(t, "", "patch", "query", "q", "-n", ns, "--type", kind, "-p", patch)
		c.expect(t, ns, "query/q", ".spec.ttl} {.spec.timeout", "720h 1m")
	}
	c.MustFail(t, "", []string{"spec.timeout: Invalid value"}, "patch", "query", "q", "-n", ns, "--type=merge", "-p", `{"spec":{"timeout":"0s"}}`)
	c.MustFail(t, query("q", "ttl: soon, "+asksWeather), []string{"spec.ttl: Invalid value"}, "apply", "--server-side", "--field-manager", "two", "-n", ns, "-f", "-")
}

// testHookFinalizers: the finalizer of former releases does not come in, others do,
// and nothing keeps an object from going.
func testHookFinalizers(t *testing.T, c *cluster, ns string) {
	c.withWeather(t, ns)
	manifest := strings.Replace(query("q", asksWeather), "{name: q}", "{name: q, finalizers: [ark.mckinsey.com/finalizer, example.com/keep]}", 1)
	c.Run(t, manifest, "create", "-n", ns, "-f", "-")
	c.expect(t, ns, "query/q", ".metadata.finalizers", `["example.com/keep"]`)
	c.Run(t, "", "delete", "-n", ns, "agent/weather", "query/q", "--wait=false")
	c.Run(t, "", "patch", "query", "q", "-n", ns, "--type=merge", "-p", `{"metadata":{"finalizers":null},"spec":{"target":null}}`)
	c.MustFail(t, "", []string{"NotFound"}, "get", "query", "q", "-n", ns)
}

// testHookStatus: whoever may write the status of a Query cannot have it executed
// again.
func testHookStatus(t *testing.T, c *cluster, ns string) {
	c.withWeather(t, ns)
	c.Run(t, query("q", asksWeather), "create", "-n", ns, "-f", "-")
	write := []string{"patch", "query", "q", "-n", ns, "--subresource=status", "--type=merge", "-p"}
	for _, phase := range []string{"queued", "running", "done"} {
		c.Run(t, "", append(write, `{"status":{"phase":"`+phase+`"}}`)...)
	}
	refused := []string{`The Query "q" is invalid: status.phase: Forbidden: the Query has ended as done`}
	c.MustFail(t, "", refused, append(write, `{"status":{"phase":"queued"}}`)...)
	c.MustFail(t, "", refused, append(write, `{"status":null}`)...)
	c.Run(t, "", append(write, `{"status":{"response":{"content":"corrected"}}}`)...)
}

// testHookFuture: an older Ark beside newer definitions leaves alone what it does
// not know.
func testHookFuture(t *testing.T, c *cluster, ns string) {
	const spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
	c.Run(t, "", "patch", "crd", "teams.ark.mckinsey.com", "--type=json", "-p", `[
		{"op":"add","path":"`+spec+`/x-kubernetes-preserve-unknown-fields","value":true},
		{"op":"add","path":"`+spec+`/properties/members/items/properties/weight","value":{"type":"integer"}}]`)
	manifest := `apiVersion: ark.mckinsey.com/v1alpha1
kind: Team
metadata: {name: t}
spec: {strategy: round-robin, maxTurns: 3, mood: {good: [1, 2]}, members: [{type: agent, name: a, weight: 7}]}
`
	eventually(t, patience, "the new definition holds", func() error {
		_, err := c.Try(manifest, "create", "-n", ns, "-f", "-", "--dry-run=server")
		return err
	})
	c.Run(t, manifest, "create", "-n", ns, "-f", "-")
	c.expect(t, ns, "team/t", ".spec.strategy} {.spec.mood} {.spec.members[0].weight", `sequential {"good":[1,2]} 7`)
}

// testHookTTL: queries that do not say it are kept as long as the ArkConfig says.
func testHookTTL(t *testing.T, c *cluster, ns string) {
	c.withWeather(t, ns)
	config := "{apiVersion: ark.mckinsey.com/v1alpha1, kind: ArkConfig, metadata: {name: default}, spec: {queryTTL: %s}}"
	c.MustFail(t, fmt.Sprintf(config, "soon"), []string{`The ArkConfig "default" is invalid: spec.queryTTL: Invalid value: "soon"`}, "create", "-f", "-")
	c.Run(t, fmt.Sprintf(config, "90m"), "create", "-f", "-")
	eventually(t, patience, "the webhooks know of the ArkConfig", func() error {
		out, err := c.Try(query("q", asksWeather), "create", "-n", ns, "-f", "-", "--dry-run=server", "-o", "jsonpath={.spec.ttl}")
		if err == nil && out != "90m" {
			err = fmt.Errorf("the ttl is %s", out)
		}
		return err
	})
}
