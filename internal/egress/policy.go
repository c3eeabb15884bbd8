// Package egress decides which addresses outgoing HTTP requests may reach, and
// makes the HTTP clients that obey. URLs of models and tools are written by the
// users of a namespace, but the requests leave from the worker, which may see
// more of the network than they do.
package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrRefused is wrapped by every error that says that the policy, not the
// network, kept a request from being made. Repeating the request is useless.
var ErrRefused = errors.New("refused by the egress policy")

// Policy says which addresses may be dialled. The zero value is the strictest:
// public addresses only. It is applied to the resolved address of each
// connection, so a name cannot be checked with one answer and dialled with
// another.
type Policy struct {
	// AllowLoopback permits 127.0.0.0/8 and ::1, for development on one machine.
	AllowLoopback bool
	// AllowPrivate lists ranges of private addresses (RFC 1918, RFC 6598, RFC
	// 4193) that may be dialled under any name. Hosts under .svc and
	// .svc.cluster.local may always have a private address.
	AllowPrivate []netip.Prefix
}

// Prefixes whose low 32 bits, or bits 16 to 48, are an IPv4 address that a
// gateway would forward to.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// private are the ranges that isPrivate knows.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), sharedAddresses,
}

// Ranges that net/netip does not classify.
var (
	sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")
	siteLocal       = netip.MustParsePrefix("fec0::/10")
	thisNetwork     = netip.MustParsePrefix("0.0.0.0/8")
	reserved        = netip.MustParsePrefix("240.0.0.0/4")
)

// Check returns nil if host, resolved to addr, may be dialled, else an error
// that wraps ErrRefused and names the reason.
func (p Policy) Check(host string, addr netip.Addr) error {
	target := effective(addr)
	switch {
	case target.IsLoopback():
		if p.AllowLoopback {
			return nil
		}
		return refuse(host, addr, "loopback addresses are not allowed")
	case target.IsLinkLocalUnicast(), target.IsLinkLocalMulticast(), target.IsInterfaceLocalMulticast():
		return refuse(host, addr, "link-local addresses are never allowed")
	case target.IsUnspecified(), target.IsMulticast(), thisNetwork.Contains(target), reserved.Contains(target), siteLocal.Contains(target):
		return refuse(host, addr, "not a unicast address of a host")
	case isPrivate(target):
		if IsClusterHost(host) || p.allowsPrivate(target) {
			return nil
		}
		return refuse(host, addr, "private addresses are not allowed, unless the operator lists their range (--allow-private-ips)")
	}
	return nil
}

// checkPlaintext refuses to send credentials in the clear over networks that
// the operator has not vouched for.
func (p Policy) checkPlaintext(host string, addr netip.Addr) error {
	target := effective(addr)
	if target.IsLoopback() || IsClusterHost(host) || (isPrivate(target) && p.allowsPrivate(target)) {
		return nil
	}
	return refuse(host, addr, "https is required outside the cluster")
}

// IsClusterHost tells whether host is a name of a Kubernetes Service, whose
// cluster IP is a private address.
func IsClusterHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local")
}

// ParseRanges reads ranges for AllowPrivate, such as 10.0.0.0/8 or a single
// address. One without any private address is refused: listing it has no effect.
func ParseRanges(texts []string) ([]netip.Prefix, error) {
	ranges := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is not a range of addresses such as 10.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if !slices.ContainsFunc(private, prefix.Overlaps) {
			return nil, fmt.Errorf("%s has no private addresses, and only those can be allowed", text)
		}
		ranges = append(ranges, prefix.Masked())
	}
	return ranges, nil
}

func (p Policy) allowsPrivate(addr netip.Addr) bool {
	for _, prefix := range p.AllowPrivate {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func isPrivate(addr netip.Addr) bool {
	return addr.IsPrivate() || sharedAddresses.Contains(addr)
}

// effective returns the address that a connection to addr ends at: IPv6
// addresses may carry an IPv4 address.
func effective(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	raw := addr.As16()
	switch {
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(raw[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(raw[2:6]))
	}
	return addr
}

func refuse(host string, addr netip.Addr, reason string) error {
	if host == addr.String() {
		return fmt.Errorf("%w: %s: %s", ErrRefused, host, reason)
	}
	return fmt.Errorf("%w: %s (%s): %s", ErrRefused, host, addr, reason)
}
