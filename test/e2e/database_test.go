package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	proc "mckinsey.com/ark/test/process"
)

// outage is how long the database stays away.
const outage = 30 * time.Second

// TestDatabaseAway takes the database away from a running server: requests fail
// with a message and never with "not found", readiness tells, liveness does not,
// and afterwards everything goes on by itself, watches included.
func TestDatabaseAway(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	c := startCluster(t)
	i := install(t, c, apart)
	line := i.throughProxy(t)
	port := freePort(t)
	server := i.server(t, port)
	c.aggregate(t, port)
	c.available(t)
	i.Run(t, fmt.Sprintf(agent, "first"), "create", "-f", "-")
	events := i.watchAgents(t)
	expectEvent(t, events, "ADDED first")

	line.Cut(true)
	over := time.Now().Add(outage)
	eventually(t, patience, "/readyz says that the database is away", func() error {
		if status, body := probe(t, port, "/readyz"); status == http.StatusOK || !strings.Contains(body, "postgresql failed") {
			return fmt.Errorf("HTTP %d: %s", status, body)
		}
		return nil
	})
	var requests sync.WaitGroup
	for _, path := range []string{"agents/first", "agents/missing", "queries", "queries/missing"} {
		requests.Go(func() { i.readUntil(t, path, over) })
	}
	requests.Go(func() { i.writeUntil(t, over) })
	for time.Now().Before(over) {
		if status, body := probe(t, port, "/livez"); status != http.StatusOK {
			t.Errorf("/livez: HTTP %d: %s", status, body)
		}
		time.Sleep(time.Second)
	}
	requests.Wait()
	line.Cut(false)
	eventually(t, patience, "writes work again", func() error {
		_, err := i.Try("", "patch", "agent", "first", "--type=merge", "-p", `{"spec":{"prompt":"back"}}`)
		return err
	})
	i.Run(t, fmt.Sprintf(agent, "second"), "create", "-f", "-")
	expectEvent(t, events, "ADDED second")
	if status, body := probe(t, port, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: HTTP %d: %s", status, body)
	}
	server.alive(t)
}

// readUntil reads all the time. Where a cache does not answer, the error must be
// that the database is away, not that there is no such object.
func (i *installation) readUntil(t *testing.T, path string, end time.Time) {
	client := must(rest.UnversionedRESTClientFor(i.raw()))(t)
	for time.Now().Before(end) {
		err := client.Get().AbsPath("/apis/ark.mckinsey.com/v1alpha1/namespaces/default/" + path).MaxRetries(0).Do(t.Context()).Error()
		if strings.HasSuffix(path, "first") && err == nil {
			continue
		}
		isAway(t, "read "+path, err)
	}
}

func (i *installation) writeUntil(t *testing.T, end time.Time) {
	client := must(rest.UnversionedRESTClientFor(i.raw()))(t)
	for time.Now().Before(end) {
		err := client.Patch(types.MergePatchType).AbsPath("/apis/ark.mckinsey.com/v1alpha1/namespaces/default/agents/first").
			Body([]byte(`{"spec":{"prompt":"away"}}`)).MaxRetries(0).Do(t.Context()).Error()
		isAway(t, "write", err)
	}
}

// raw is for requests that are made once, without a type.
func (i *installation) raw() *rest.Config {
	config := rest.CopyConfig(i.admin)
	config.NegotiatedSerializer, config.GroupVersion = scheme.Codecs, &schema.GroupVersion{}
	config.QPS = 2 // each of them waits for its error
	return config
}

// isAway fails the test unless the error is 503 or 504, with a message.
func isAway(t *testing.T, what string, err error) {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Message == "" ||
		status.Status().Code != http.StatusServiceUnavailable && status.Status().Code != http.StatusGatewayTimeout {
		t.Errorf("%s without a database: %v, want 503 or 504", what, err)
	}
}

// throughProxy leads the installation's database connections through a line that
// can be cut.
func (i *installation) throughProxy(t *testing.T) *proc.Line {
	t.Helper()
	u := must(url.Parse(i.database))(t)
	network, address := "tcp", u.Host
	query := u.Query()
	if dir := query.Get("host"); strings.HasPrefix(dir, "/") {
		network, address = "unix", dir+"/.s.PGSQL."+query.Get("port")
	}
	p := proc.NewLine(t, "127.0.0.1:0", func() (string, string) { return network, address })
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = fmt.Sprintf("127.0.0.1:%d", p.Port()), query.Encode()
	i.database = u.String()
	return p
}

// probe asks the server itself, as a kubelet does.
func probe(t testing.TB, port int, path string) (int, string) {
	t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as a kubelet does
	defer client.CloseIdleConnections()
	res, err := client.Get(address(port) + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// watchAgents follows the agents of the namespace default, as "ADDED name".
func (i *installation) watchAgents(t *testing.T) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := i.Command(ctx, "get", "agents", "-n", "default", "-w", "--output-watch-events", "--no-headers")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	events := make(chan string, 1000)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if words := strings.Fields(lines.Text()); len(words) > 1 {
				events <- words[0] + " " + words[1]
			}
		}
	}()
	return events
}

// expectEvent takes events until the wanted one.
func expectEvent(t testing.TB, events <-chan string, want string) {
	t.Helper()
	for late := time.After(patience); ; {
		select {
		case got, ok := <-events:
			if !ok {
				t.Fatalf("the watch ended before %q", want)
			}
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("the watch did not deliver %q", want)
		}
	}
}
