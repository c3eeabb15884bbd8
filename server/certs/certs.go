// Package certs makes the certificates of a stand-alone server: an authority of
// its own, the server's certificate, and one for its administrator.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"k8s.io/client-go/util/keyutil"
)

// How long certificates are valid, and how long before their end they are renewed.
const (
	authorityValidity = 10 * 365 * 24 * time.Hour
	leafValidity      = 365 * 24 * time.Hour
	renewBefore       = 30 * 24 * time.Hour
	// clockSkew between this machine's clock now and at the next look.
	clockSkew = 5 * time.Minute
)

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a certificate that signs the others.
func newAuthority(now time.Time) (*pair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "ark-ca"},
		NotAfter:              now.Add(authorityValidity),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	return sign(template, nil, now)
}

// newServer makes the certificate that the server shows on these addresses.
func newServer(authority *pair, names []string, addresses []net.IP, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "ark-server"},
		NotAfter:    now.Add(leafValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
		IPAddresses: addresses,
	}
	return sign(template, authority, now)
}

// newClient makes the certificate of a user.
func newClient(authority *pair, user, group string, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: []string{group}},
		NotAfter:    now.Add(leafValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return sign(template, authority, now)
}

// sign makes a key and its certificate; without an authority it signs itself.
func sign(template *x509.Certificate, authority *pair, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", template.Subject, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number for %s: %w", template.Subject, err)
	}
	template.SerialNumber, template.NotBefore = serial, now.Add(-clockSkew)
	parent := authority
	if parent == nil {
		parent = &pair{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", template.Subject, err)
	}
	return &pair{cert: cert, key: key}, nil
}

// certPEM is the certificate as text.
func (p *pair) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

// keyPEM is the key as text.
func (p *pair) keyPEM() ([]byte, error) {
	text, err := keyutil.MarshalPrivateKeyToPEM(p.key)
	if err != nil {
		return nil, fmt.Errorf("encode the key of %s: %w", p.cert.Subject, err)
	}
	return text, nil
}

// parsePair reads a certificate and its key from their texts.
func parsePair(certText, keyText []byte) (*pair, error) {
	block, _ := pem.Decode(certText)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(keyText)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not of ECDSA", parsed)
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the key is not that of the certificate")
	}
	return &pair{cert: cert, key: key}, nil
}

// good tells why a pair has to be made anew; nil: it need not.
func (p *pair) good(authority *pair, now time.Time) error {
	if now.Before(p.cert.NotBefore) || now.Add(renewBefore).After(p.cert.NotAfter) {
		return fmt.Errorf("valid from %s to %s", p.cert.NotBefore.Format(time.RFC3339), p.cert.NotAfter.Format(time.RFC3339))
	}
	if err := p.cert.CheckSignatureFrom(authority.cert); err != nil {
		return fmt.Errorf("not signed by the authority: %w", err)
	}
	return nil
}
