package certificates

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// step is one thing that is done about the certificates.
type step int

const (
	keep          step = iota // all is well
	dropAuthority             // one that has expired leaves the bundle
	addAuthority              // a new one is added to the bundle, before all others
	issueServing              // a new serving certificate is signed
)

// action is what is to be done next.
type action struct {
	step
	authority int    // which one leaves, or signs
	why       string // for the log
}

// terms are what the certificates are to be like.
type terms struct {
	hosts    []string      // DNS names of the serving certificate
	lifetime time.Duration // of the serving certificate
}

// plan says what is to be done next. trusted says that everybody who trusts this
// bundle has all of it. A new authority signs nothing before that, as long as there
// is another one: so whoever is shown its certificate knows it.
func plan(now time.Time, m material, want terms, trusted bool) action {
	for i, a := range m.authorities {
		if !now.Before(a.certificate.NotAfter) {
			return action{dropAuthority, i, "it has expired"}
		}
	}
	newest := m.newest(-1)
	if newest < 0 {
		return action{step: addAuthority, why: "there is none that can sign"}
	}
	if at := due(m.authorities[newest].certificate); !now.Before(at) {
		return action{step: addAuthority, why: fmt.Sprintf("the newest was due at %s", at.Format(time.RFC3339))}
	}
	if longer(m.authorities[newest].certificate, authorityLives*want.lifetime) {
		return action{step: addAuthority, why: "the newest is valid longer than it may be"}
	}
	if why := m.fault(now, want); why != "" {
		signer := newest
		if older := m.newest(newest); !trusted && older >= 0 {
			signer = older
		}
		return action{issueServing, signer, why}
	}
	if trusted && m.issuer() != newest {
		return action{issueServing, newest, "the newest authority is trusted everywhere"}
	}
	return action{}
}

// fault says why the serving certificate has to be made anew; empty: it need not.
func (m material) fault(now time.Time, want terms) string {
	switch {
	case m.serving == nil:
		return "there is none"
	case m.servingKey == nil:
		return "its key is not there"
	case m.issuer() < 0:
		return "it was not signed by an authority of the bundle"
	case !slices.Equal(m.serving.DNSNames, want.hosts):
		return fmt.Sprintf("it is for %v, not for %v", m.serving.DNSNames, want.hosts)
	}
	if at := due(m.serving); !now.Before(at) {
		return fmt.Sprintf("it was due at %s", at.Format(time.RFC3339))
	}
	if longer(m.serving, want.lifetime) {
		return "it is valid longer than it may be"
	}
	return ""
}

// longer says that a certificate was made to live longer than is wanted now: who
// shortens the lifetime does not wait for the end of the old one.
func longer(c *x509.Certificate, lifetime time.Duration) bool {
	return c.NotAfter.Sub(c.NotBefore) > lifetime+skew(lifetime)+time.Second // the times in it are whole seconds
}

// due is when a certificate has lived two thirds of its life.
func due(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

// next is when there is something to do at the latest, if nobody else changes
// anything.
func (m material) next() time.Time {
	at := due(m.serving)
	if newest := m.newest(-1); newest >= 0 && due(m.authorities[newest].certificate).Before(at) {
		at = due(m.authorities[newest].certificate)
	}
	for _, a := range m.authorities {
		if a.certificate.NotAfter.Before(at) {
			at = a.certificate.NotAfter
		}
	}
	return at
}
