package egress

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	strict := Policy{}
	loopback := Policy{AllowLoopback: true}
	ranges := Policy{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	tests := []struct {
		name    string
		policy  Policy
		host    string
		addr    string
		refused bool
	}{
		{"public", strict, "example.com", "93.184.216.34", false},
		{"public IPv6", strict, "example.com", "2606:2800:220:1::1", false},
		{"loopback", strict, "localhost", "127.0.0.1", true},
		{"loopback elsewhere in the range", strict, "x", "127.9.9.9", true},
		{"loopback IPv6", strict, "x", "::1", true},
		{"loopback allowed", loopback, "localhost", "127.0.0.1", false},
		{"loopback IPv6 allowed", loopback, "localhost", "::1", false},
		{"mapped loopback", strict, "x", "::ffff:127.0.0.1", true},
		{"metadata service", loopback, "x", "169.254.169.254", true},
		{"metadata service behind a cluster name", loopback, "a.b.svc", "169.254.169.254", true},
		{"mapped metadata service", loopback, "x", "::ffff:169.254.169.254", true},
		{"metadata service through NAT64", strict, "x", "64:ff9b::a9fe:a9fe", true},
		{"loopback through 6to4", strict, "x", "2002:7f00:1::", true},
		{"link-local IPv6 with a zone", loopback, "x", "fe80::1%eth0", true},
		{"unspecified", loopback, "x", "0.0.0.0", true},
		{"this network", loopback, "x", "0.1.2.3", true},
		{"broadcast", loopback, "x", "255.255.255.255", true},
		{"multicast", strict, "x", "224.0.0.1", true},
		{"site-local", strict, "x", "fec0::1", true},
		{"private", strict, "x", "10.1.2.3", true},
		{"private in a listed range", ranges, "x", "10.1.2.3", false},
		{"mapped private in a listed range", ranges, "x", "::ffff:10.1.2.3", false},
		{"private outside the listed range", ranges, "x", "10.2.2.3", true},
		{"private 172.16/12", strict, "x", "172.31.0.1", true},
		{"private 192.168/16", strict, "x", "192.168.0.1", true},
		{"shared", strict, "x", "100.64.0.1", true},
		{"unique local", strict, "x", "fd00:ec2::254", true},
		{"Service", strict, "model.default.svc", "10.96.0.10", false},
		{"Service, full name", strict, "model.default.svc.cluster.local.", "10.96.0.10", false},
		{"Service behind loopback", strict, "model.default.svc", "127.0.0.1", true},
		{"a name that only resembles a Service", strict, "evilsvc.cluster.local.example.com", "10.96.0.10", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.policy.Check(tt.host, netip.MustParseAddr(tt.addr))
			if tt.refused != errors.Is(err, ErrRefused) || tt.refused == (err == nil) {
				t.Errorf("Check(%s, %s) = %v, want refused: %t", tt.host, tt.addr, err, tt.refused)
			}
		})
	}
}

func TestPlaintext(t *testing.T) {
	t.Parallel()
	policy := Policy{AllowLoopback: true, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	tests := []struct {
		host, addr string
		refused    bool
	}{
		{"example.com", "93.184.216.34", true},
		{"localhost", "127.0.0.1", false},
		{"ollama.internal", "10.1.0.1", false},
		{"other.internal", "10.2.0.1", true},
		{"model.default.svc.cluster.local", "10.96.0.1", false},
	}
	for _, tt := range tests {
		err := policy.checkPlaintext(tt.host, netip.MustParseAddr(tt.addr))
		if tt.refused != errors.Is(err, ErrRefused) {
			t.Errorf("checkPlaintext(%s, %s) = %v, want refused: %t", tt.host, tt.addr, err, tt.refused)
		}
	}
}

func TestParseRanges(t *testing.T) {
	t.Parallel()
	got, err := ParseRanges([]string{"10.1.2.3/8", "192.168.1.7", "100.64.0.0/10", "fd00::/8", "0.0.0.0/0"})
	want := []string{"10.0.0.0/8", "192.168.1.7/32", "100.64.0.0/10", "fd00::/8", "0.0.0.0/0"}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, error %v", got, err)
	}
	for i, prefix := range got {
		if prefix.String() != want[i] {
			t.Errorf("%s, want %s", prefix, want[i])
		}
	}
	for _, text := range []string{"", "10.0.0.0/33", "localhost", "10.0.0.0/8,10.0.0.0/8", "8.8.8.0/24", "127.0.0.0/8", "169.254.0.0/16"} {
		if got, err := ParseRanges([]string{text}); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// A refusal names the flag that would allow the address, if there is one.
func TestRefusalNamesTheFlag(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"10.1.2.3": true, "fd00::1": true, "127.0.0.1": false, "169.254.169.254": false} {
		err := Policy{}.Check("models.example.com", netip.MustParseAddr(address))
		if err == nil || strings.Contains(err.Error(), "--allow-private-ips") != want {
			t.Errorf("%s: error %v", address, err)
		}
	}
}
