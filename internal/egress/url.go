package egress

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// lookupTimeout bounds the look at a name before it is dialled.
const lookupTimeout = 2 * time.Second

// CheckURL tells in advance whether requests with credentials to a URL would be
// refused, by what its host resolves to now; nil: not, or it does not resolve. What
// counts is the check of the address that is dialled in the end.
func (p Policy) CheckURL(ctx context.Context, u *url.URL) error {
	host := u.Hostname()
	if IsClusterHost(host) {
		return nil
	}
	for _, addr := range resolve(ctx, host) {
		if err := p.Check(host, addr); err != nil {
			return err
		}
		if u.Scheme != "https" {
			if err := p.checkPlaintext(host, addr); err != nil {
				return err
			}
		}
	}
	return nil
}

func resolve(ctx context.Context, host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return found
}
