package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	certutil "k8s.io/client-go/util/cert"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/load"
)

var (
	secrets       = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	apiServices   = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	mutatingHooks = schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
)

// madeCertificates is the Secret that processes keep their certificates in.
const madeCertificates = "ark-certificates"

// madeLifetime of a certificate is short, so that some are renewed while a test runs.
const madeLifetime = 20 * time.Second

// TestRegistrationWebhooks: processes without a certificate make one, have the cluster
// trust it, and change its authority while they are asked.
func TestRegistrationWebhooks(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.installCRDs(t)
	c.grant(t, onEtcd)
	ports := map[string]int{"replica-0": freePort(t), "replica-1": freePort(t)}
	var replicas []*process
	for name, port := range ports {
		replicas = append(replicas, c.customMade(t, name, port))
	}
	balance := newBalancerOf(t, ports).Port()
	manifest := string(must(os.ReadFile("../../chart/files/webhooks.yaml"))(t))
	c.Run(t, externalService("ark-webhooks", balance)+"---\n"+strings.ReplaceAll(manifest, "port: 443", fmt.Sprintf("port: %d", balance)),
		"apply", "--server-side", "--field-manager=helm", "-f", "-")
	eventually(t, patience, "the webhooks are asked", func() error {
		_, err := c.Try(fmt.Sprintf(agent, "first"), "create", "-f", "-")
		return err
	})
	c.rotate(t, balance, trusting{mutatingHooks, "ark", func(o *unstructured.Unstructured) string {
		hooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
		bundle, _, _ := unstructured.NestedString(hooks[0].(map[string]any), "clientConfig", "caBundle")
		return bundle
	}})
	// The chart is applied again: what Ark has written stays, and is nobody's conflict.
	before := c.jsonpath(t, "validatingwebhookconfiguration/ark", "{.webhooks[*].clientConfig.caBundle}")
	c.Run(t, strings.ReplaceAll(strings.ReplaceAll(manifest, "port: 443", fmt.Sprintf("port: %d", balance)), "timeoutSeconds: 30", "timeoutSeconds: 29"),
		"apply", "--server-side", "--field-manager=helm", "-f", "-")
	if after := c.jsonpath(t, "validatingwebhookconfiguration/ark", "{.webhooks[*].clientConfig.caBundle}"); after != before || len(before) == 0 {
		t.Error("the second apply of the chart has changed the bundle")
	}
	// A webhook that the chart has no more is gone, though a field of it was Ark's.
	cut, _, _ := strings.Cut(manifest, "- name: status.validate")
	c.Run(t, strings.ReplaceAll(cut, "port: 443", fmt.Sprintf("port: %d", balance)), "apply", "--server-side", "--field-manager=helm", "-f", "-")
	if names := c.jsonpath(t, "validatingwebhookconfiguration/ark", "{.webhooks[*].name}"); names != "validate.ark.mckinsey.com" {
		t.Errorf("the webhooks are %s", names)
	}
	for _, p := range replicas {
		p.alive(t)
		kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	}
}

// customMade starts a process with all modules that work without a database, and no
// certificate.
func (c *cluster) customMade(t testing.TB, name string, port int) *process {
	t.Helper()
	return c.start(t, name, programs.ark, append([]string{"core", "--kubeconfig", c.account(t, "ark-core"), "--namespace", namespace,
		"--identity=" + name, "--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0",
		"--webhook-host=127.0.0.1", fmt.Sprint("--webhook-port=", port), "--webhook-configurations=ark"},
		making(t, "ark-webhooks")...)...)
}

// making are the flags of a process that makes its certificates.
func making(t testing.TB, service string) []string {
	return []string{"--certificate-dir", t.TempDir(), "--certificate-secret", madeCertificates,
		"--certificate-hosts", service + "." + namespace + ".svc", "--certificate-lifetime", madeLifetime.String()}
}

func (c *cluster) jsonpath(t testing.TB, object, path string) string {
	t.Helper()
	return c.Run(t, "", "get", object, "-o", "jsonpath="+path)
}

// rotate changes the authority twice under load: no request fails, and whoever serves
// on a port shows a certificate that the target's bundle knows.
func (c *cluster) rotate(t *testing.T, port int, target trusting) {
	t.Helper()
	l := load.Start(t, c.admin, 2)
	ctx, cancel := context.WithCancel(t.Context())
	client := must(dynamic.NewForConfig(c.admin))(t)
	var sampling sync.WaitGroup
	var unknown, early error
	sampling.Go(func() {
		for ctx.Err() == nil && unknown == nil {
			unknown = known(ctx, client.Resource(target.resource), port, target)
		}
	})
	first := must(client.Resource(secrets).Namespace(namespace).Get(ctx, madeCertificates, metav1.GetOptions{}))(t)
	versions := must(client.Resource(secrets).Namespace(namespace).Watch(t.Context(), metav1.ListOptions{
		FieldSelector: "metadata.name=" + madeCertificates, ResourceVersion: first.GetResourceVersion(),
	}))(t)
	sampling.Go(func() { early = signedByKnown(ctx, first, versions) })
	for range 2 {
		// An authority whose key is lost is replaced as one that is due.
		old := authorities(t, c.made(t, "ca.crt"))
		c.Run(t, "", "patch", "secret", madeCertificates, "-n", namespace, "--type=json", "-p", `[{"op": "remove", "path": "/data/ca.key"}]`)
		eventually(t, patience, "a new authority signs", func() error {
			all := authorities(t, c.made(t, "ca.crt"))
			serving := authorities(t, c.made(t, "tls.crt"))[0]
			if len(all) != len(old)+1 || serving.CheckSignatureFrom(all[0]) != nil {
				return fmt.Errorf("%d authorities, the certificate is of %s", len(all), serving.Issuer)
			}
			return nil
		})
	}
	newest := authorities(t, c.made(t, "ca.crt"))[0]
	eventually(t, patience, "its certificate is shown", func() error {
		leaf, err := shown(t.Context(), port)
		if err != nil {
			return err
		}
		return leaf.CheckSignatureFrom(newest)
	})
	l.Seen(t)
	cancel()
	versions.Stop()
	sampling.Wait()
	if requests, failures := l.Report(); requests == 0 || len(failures) > 0 {
		t.Errorf("%d requests, %d failed: %v", requests, len(failures), failures)
	}
	l.Stop()
	if err := errors.Join(unknown, early); err != nil {
		t.Error(err)
	}
}

// trusting is where a target has its bundle.
type trusting struct {
	resource schema.GroupVersionResource
	name     string
	bundle   func(o *unstructured.Unstructured) string
}

// known fails if what is shown on a port is of no authority that was in the target's
// bundle a moment before.
func known(ctx context.Context, client dynamic.ResourceInterface, port int, target trusting) error {
	o, err := client.Get(ctx, target.name, metav1.GetOptions{})
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	leaf, err := shown(ctx, port)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	bundle, err := base64.StdEncoding.DecodeString(target.bundle(o))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots})
	return err
}

// ignoreEnd is err, unless it comes from the end of ctx.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// signedByKnown fails if a version of the Secret has a certificate of an authority that
// the version before did not have.
func signedByKnown(ctx context.Context, before *unstructured.Unstructured, versions watch.Interface) error {
	for e := range versions.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			return ignoreEnd(ctx, fmt.Errorf("the watch says %v", e.Object))
		}
		authorities, err := secretCertificates(before, "ca.crt")
		if err != nil {
			return err
		}
		serving, err := secretCertificates(o, "tls.crt")
		if err != nil {
			return err
		}
		signs := func(c *x509.Certificate) bool { return serving[0].CheckSignatureFrom(c) == nil }
		if !slices.ContainsFunc(authorities, signs) {
			return fmt.Errorf("%s signs before it is known", serving[0].Issuer)
		}
		before = o
	}
	return nil
}

func secretCertificates(o *unstructured.Unstructured, key string) ([]*x509.Certificate, error) {
	encoded, _, err := unstructured.NestedString(o.Object, "data", key)
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	return certutil.ParseCertsPEM(text)
}

// shown is the certificate that is served on a port.
func shown(ctx context.Context, port int) (*x509.Certificate, error) {
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is looked at
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// made is a part of the Secret.
func (c *cluster) made(t testing.TB, key string) []byte {
	t.Helper()
	encoded := c.Run(t, "", "get", "secret", madeCertificates, "-n", namespace, "-o", fmt.Sprintf("jsonpath={.data.%s}", strings.ReplaceAll(key, ".", `\.`)))
	return must(base64.StdEncoding.DecodeString(encoded))(t)
}

// TestRegistrationServer: the API server behind the cluster's own makes its certificate
// and registers itself, as the chart's APIServices want it or in place of the cluster's.
func TestRegistrationServer(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	i := install(t, c, apart)
	ports := []int{freePort(t), freePort(t)}
	balance := newBalancer(t, ports...).Port()
	c.Run(t, externalService("ark-server", balance)+apiServiceManifests(balance, nil), "apply", "--server-side", "--field-manager=helm", "-f", "-")
	replicas := []*process{i.registering(t, ports[0], balance)}
	c.available(t)
	first := c.made(t, "tls.crt")
	replicas = append(replicas, i.registering(t, ports[1], balance))
	eventually(t, patience, "the second replica is ready", func() error {
		if status, body := probe(t, ports[1], "/readyz"); status != 200 {
			return fmt.Errorf("HTTP %d: %s", status, body)
		}
		return nil
	})
	if issuer := authorities(t, first)[0].Issuer.String(); issuer != must(shown(t.Context(), ports[1]))(t).Issuer.String() {
		t.Error("the second replica has another authority")
	}
	c.rotate(t, balance, trusting{apiServices, "v1alpha1.ark.mckinsey.com", func(o *unstructured.Unstructured) string {
		bundle, _, _ := unstructured.NestedString(o.Object, "spec", "caBundle")
		return bundle
	}})
	t.Run("heals", func(t *testing.T) {
		before := c.made(t, "ca.crt")
		c.Run(t, "", "patch", "secret", madeCertificates, "-n", namespace, "--type=json", "-p", `[{"op": "remove", "path": "/data"}]`)
		eventually(t, patience, "there is a new authority", func() error {
			if after := c.made(t, "ca.crt"); len(after) == 0 || string(after) == string(before) {
				return errors.New("there is none")
			}
			_, err := c.Try(fmt.Sprintf(agent, "healed"), "apply", "-f", "-")
			return err
		})
	})
	for _, p := range replicas {
		p.alive(t)
		kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
		p.stop(t)
	}
	t.Run("takeOver", func(t *testing.T) { testTakeOver(t, i, ports[0], balance) })
}

func authorities(t testing.TB, text []byte) []*x509.Certificate {
	t.Helper()
	return must(certutil.ParseCertsPEM(text))(t)
}

// registering starts a server that makes its certificate and registers itself.
func (i *installation) registering(t testing.TB, port, service int, extra ...string) *process {
	t.Helper()
	flags := append(making(t, "ark-server"), "--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(port),
		"--api-service", fmt.Sprint("ark-server:", service), "--owner", "ark-server")
	return i.module(t, "server", append(flags, extra...)...)
}

// testTakeOver: what an earlier installation has left in the cluster is not hidden by
// accident, and is there again when Ark has gone.
func testTakeOver(t *testing.T, i *installation, port, service int) {
	i.Run(t, "", "delete", "apiservices", "v1alpha1.ark.mckinsey.com", "v1prealpha1.ark.mckinsey.com")
	i.installCRDs(t)
	i.Run(t, fmt.Sprintf(agent, "kept"), "create", "-f", "-")

	p := i.registering(t, port, service)
	eventually(t, patience, "the server says what would be hidden", func() error {
		if log := p.log.String(); !strings.Contains(log, "would be hidden: Agent (at least 1)") {
			return errors.New(log)
		}
		return nil
	})
	if status, _ := probe(t, port, "/readyz"); status == 200 {
		t.Error("a server that is not registered is ready")
	}
	i.Run(t, "", "get", "agent", "kept")
	kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	p.stop(t)

	p = i.registering(t, port, service, "--hide-custom-resources")
	i.taken(t)
	i.MustFail(t, "", []string{"NotFound"}, "get", "agent", "kept")
	i.Run(t, "", "get", "agent", "healed") // of the database
	kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	p.stop(t)

	i.Run(t, "", "delete", "clusterrole", "ark-server")
	eventually(t, patience, "what was hidden is there again", func() error {
		_, err := i.Try("", "get", "agent", "kept")
		return err
	})
	i.grant(t, onPostgreSQL, apart)
	i.Run(t, "", "delete", "agent", "kept")
	p = i.registering(t, port, service)
	i.taken(t)
	i.Run(t, "", "get", "agent", "healed")
	kubectl.NotContain(t, p.log.String(), "forbidden", "Forbidden")
	p.alive(t)
}

// taken waits until the cluster sends the group to Ark, by APIServices that were its
// own.
func (i *installation) taken(t testing.TB) {
	t.Helper()
	for _, version := range []string{"v1alpha1", "v1prealpha1"} {
		eventually(t, patience, "the APIService is taken over", func() error {
			out, err := i.Try("", "get", "apiservice", version+".ark.mckinsey.com", "-o",
				`jsonpath={.spec.service.name} {.metadata.ownerReferences[*].name} {.status.conditions[0].reason}`)
			if err == nil && out != "ark-server ark-server Passed" {
				err = errors.New(out)
			}
			return err
		})
	}
}
