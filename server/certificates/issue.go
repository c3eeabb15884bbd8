package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	// authorityLives is how many lives of a serving certificate an authority has.
	authorityLives = 10
	// maxSkew is how far the clocks of two machines may be apart; of certificates
	// that live shortly it is a tenth of their life.
	maxSkew = time.Hour
)

// do returns the material after an action.
func (a action) do(m material, now time.Time, want terms) (material, error) {
	m.authorities = slices.Clone(m.authorities)
	switch a.step {
	case dropAuthority:
		m.authorities = slices.Delete(m.authorities, a.authority, a.authority+1)
	case addAuthority:
		made, err := newAuthority(now, want.lifetime*authorityLives)
		if err != nil {
			return m, err
		}
		m.authorities = slices.Insert(m.authorities, 0, made)
	case issueServing:
		var err error
		if m.serving, m.servingKey, err = newServing(now, m.authorities[a.authority], want); err != nil {
			return m, err
		}
	case keep:
	}
	return m, nil
}

// newAuthority makes an authority that is valid for so long. Its name says which one
// it is: who verifies looks for it by name.
func newAuthority(now time.Time, lifetime time.Duration) (authority, error) {
	serial, err := newSerial()
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("ark-ca-%x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-skew(lifetime / authorityLives)),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, key, err := sign(template, authority{})
	return authority{certificate: certificate, key: key}, err
}

// newServing makes a serving certificate, which does not outlive its authority.
func newServing(now time.Time, by authority, want terms) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	until := now.Add(want.lifetime)
	if until.After(by.certificate.NotAfter) {
		until = by.certificate.NotAfter
	}
	from := now.Add(-skew(want.lifetime))
	if from.Before(by.certificate.NotBefore) {
		from = by.certificate.NotBefore
	}
	return sign(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "ark"},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              want.hosts,
	}, by)
}

func skew(lifetime time.Duration) time.Duration { return min(maxSkew, lifetime/10) }

func newSerial() (*big.Int, error) {
	// 159 bits are as many as fit into 20 bytes without a sign; the highest one is set.
	limit := new(big.Int).Lsh(big.NewInt(1), 158)
	serial, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return serial.Add(serial, limit), nil
}

// sign makes a key and its certificate; no authority: it signs itself.
func sign(template *x509.Certificate, by authority) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for %s: %w", template.Subject, err)
	}
	if by.certificate == nil {
		by = authority{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate of %s: %w", template.Subject, err)
	}
	return certificate, key, nil
}
