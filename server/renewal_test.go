package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"mckinsey.com/ark/server"
)

// TestCertificatesAreRenewed lets 340 of the 365 days of a certificate pass while
// the server runs: it makes new ones, and shows them, without being started again.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	const age = 340 * 24 * time.Hour
	clock := clocktesting.NewFakeClock(time.Now().Add(-age))
	f := start(t, func(o *server.Options) { o.Clock = clock })
	before, kubeconfig := shown(t.Context(), t, f), string(must(os.ReadFile(f.kubeconfig))(t))
	eventually(t, "the server looks after its certificates", func(context.Context) error {
		if !clock.HasWaiters() {
			return errors.New("nobody waits for the clock")
		}
		return nil
	})
	clock.Step(age)
	eventually(t, "another certificate is shown, and the kubeconfig is another", func(ctx context.Context) error {
		if shown(ctx, t, f) == before {
			return fmt.Errorf("still the certificate with serial number %s", before)
		}
		if string(must(os.ReadFile(f.kubeconfig))(t)) == kubeconfig {
			return errors.New("still the old kubeconfig")
		}
		return nil
	})
}

// shown is the serial number of the certificate that the server shows.
func shown(ctx context.Context, t *testing.T, f *fixture) string {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // only looks at what is shown
	conn := must(dialer.DialContext(ctx, "tcp", strings.TrimPrefix(f.server.URL(), "https://")))(t)
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}
