package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

const agent = `apiVersion: ark.mckinsey.com/v1alpha1
kind: Agent
metadata: {name: %s}
spec: {prompt: p}
`

func testCanI(t *testing.T, i *installation, _ int) {
	kubectl.Contain(t, i.Run(t, "", "auth", "can-i", "create", "agents.ark.mckinsey.com"), "yes")
	i.MustFail(t, "", []string{"no"}, "auth", "can-i", "create", "agents.ark.mckinsey.com", "--as", "nobody")
}

// testRoles: Ark's kinds are part of the cluster's own roles view and edit, and
// who has none is refused.
func testRoles(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "roles")
	for user, role := range map[string]string{"reader": "view", "writer": "edit"} {
		i.Run(t, "", "create", "rolebinding", user, "-n", "roles", "--clusterrole", role, "--user", user)
	}
	create := func(user string) error {
		_, err := i.Try(fmt.Sprintf(agent, "a-"+user), "create", "-n", "roles", "--as", user, "-f", "-")
		return err
	}
	// The cluster adds roles up by itself, a moment later.
	eventually(t, patience, "the role edit includes Ark's kinds", func() error { return create("writer") })
	eventually(t, patience, "the role view includes Ark's kinds", func() error {
		_, err := i.Try("", "get", "agents", "-n", "roles", "--as", "reader")
		return err
	})
	for _, user := range []string{"reader", "stranger"} {
		err := create(user)
		if err == nil {
			t.Fatalf("%s created an agent", user)
		}
		kubectl.Contain(t, err.Error(), "Forbidden", user)
	}
	i.MustFail(t, "", []string{"Forbidden"}, "get", "agents", "-n", "roles", "--as", "stranger")
	i.MustFail(t, "", []string{"Forbidden"}, "get", "agents", "-n", "default", "--as", "reader")
}

// testForgedHeader: only the cluster's API server may say who a user is.
func testForgedHeader(t *testing.T, i *installation, port int) {
	impostor := newAuthority(t, "front-proxy") // of the same name
	impostor.issue(t, "front-proxy-client", nil, i.file("forged.crt"), i.file("forged.key"))
	forged := must(tls.LoadX509KeyPair(i.file("forged.crt"), i.file("forged.key")))(t)
	genuine := must(tls.LoadX509KeyPair(i.file("front-proxy.crt"), i.file("front-proxy.key")))(t)
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		allowed      bool
	}{
		"no certificate":          {nil, false},
		"an impostor's":           {[]tls.Certificate{forged}, false},
		"that of the front proxy": {[]tls.Certificate{genuine}, true},
	} {
		status, body := i.forge(t, port, c.certificates)
		if allowed := status == http.StatusOK; allowed != c.allowed {
			t.Errorf("with %s: HTTP %d: %s", name, status, body)
		}
	}
}

// forge asks the server itself, as an administrator of its own naming.
func (i *installation) forge(t *testing.T, port int, certificates []tls.Certificate) (int, string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(i.backend.pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: "localhost",
		// Whatever the server asks for: this is an impostor.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certificates) == 0 {
				return &tls.Certificate{}, nil
			}
			return &certificates[0], nil
		},
	}}}
	defer client.CloseIdleConnections()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, address(port)+"/apis/ark.mckinsey.com/v1alpha1/agents", nil))(t)
	req.Header.Set("X-Remote-User", "admin")
	req.Header.Set("X-Remote-Group", "system:masters")
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error() // refused in the handshake
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, string(must(io.ReadAll(res.Body))(t))
}

// testImpersonation: who acts as somebody else has that one's rights.
func testImpersonation(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "impersonation")
	i.Run(t, "", "create", "serviceaccount", "limited", "-n", "impersonation")
	as := "system:serviceaccount:impersonation:limited"
	i.MustFail(t, "", []string{"Forbidden", as}, "get", "agents", "-n", "impersonation", "--as", as)
	i.Run(t, "", "create", "role", "agents", "-n", "impersonation", "--verb=list", "--resource=agents.ark.mckinsey.com")
	i.Run(t, "", "create", "rolebinding", "limited", "-n", "impersonation", "--role=agents", "--serviceaccount=impersonation:limited")
	eventually(t, patience, "the service account may list", func() error {
		_, err := i.Try("", "get", "agents", "-n", "impersonation", "--as", as)
		return err
	})
	i.MustFail(t, fmt.Sprintf(agent, "x"), []string{"Forbidden"}, "create", "-n", "impersonation", "--as", as, "-f", "-")
}

// testPolicy: an admission policy of the cluster holds for Ark's kinds.
func testPolicy(t *testing.T, i *installation, _ int) {
	i.Run(t, "", "create", "namespace", "policy")
	i.Run(t, `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: prompts}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: policy}}
    resourceRules:
    - {apiGroups: [ark.mckinsey.com], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [agents]}
  validations:
  - {expression: "object.spec.prompt != 'forbidden'", message: this prompt is not for us}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: prompts}
spec: {policyName: prompts, validationActions: [Deny]}
`, "apply", "-f", "-")
	bad := `{apiVersion: ark.mckinsey.com/v1alpha1, kind: Agent, metadata: {generateName: bad-}, spec: {prompt: forbidden}}`
	eventually(t, patience, "the policy refuses", func() error {
		_, err := i.Try(bad, "create", "-n", "policy", "-f", "-")
		if err == nil {
			return fmt.Errorf("it was accepted")
		}
		kubectl.Contain(t, err.Error(), "this prompt is not for us")
		return nil
	})
	i.Run(t, fmt.Sprintf(agent, "good"), "create", "-n", "policy", "-f", "-")
}
