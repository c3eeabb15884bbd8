package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Keys of the Secret. The first three are the names of the files, too.
const (
	CertFile = "tls.crt" // the serving certificate
	KeyFile  = "tls.key" // its key
	CAFile   = "ca.crt"  // the certificates of the authorities, the newest first
	caKeys   = "ca.key"  // their keys
)

// authority is a certificate authority; without a key (it was lost) it is trusted
// until it expires, but signs nothing.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// material is what the Secret holds.
type material struct {
	authorities []authority // the newest first
	serving     *x509.Certificate
	servingKey  crypto.Signer
}

// parse reads the content of the Secret. What cannot be read is left out: it is made
// anew.
func parse(data map[string][]byte) material {
	var m material
	keys := parseKeys(data[caKeys])
	for _, c := range parseCertificates(data[CAFile]) {
		if c.IsCA {
			m.authorities = append(m.authorities, authority{certificate: c, key: keyOf(c, keys)})
		}
	}
	if all := parseCertificates(data[CertFile]); len(all) > 0 {
		m.serving = all[0]
		m.servingKey = keyOf(m.serving, parseKeys(data[KeyFile]))
	}
	return m
}

func parseCertificates(text []byte) []*x509.Certificate {
	all, err := certutil.ParseCertsPEM(text)
	if err != nil {
		return nil // as if it were not there
	}
	return all
}

func parseKeys(text []byte) []*ecdsa.PrivateKey {
	var all []*ecdsa.PrivateKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := keyutil.ParsePrivateKeyPEM(pem.EncodeToMemory(block))
		if err != nil {
			continue // as if it were not there
		}
		if key, ok := parsed.(*ecdsa.PrivateKey); ok {
			all = append(all, key)
		}
	}
	return all
}

// keyOf finds the key of a certificate; nil: it is not among them.
func keyOf(c *x509.Certificate, keys []*ecdsa.PrivateKey) crypto.Signer {
	public, ok := c.PublicKey.(*ecdsa.PublicKey)
	for _, key := range keys {
		if ok && public.Equal(key.Public()) {
			return key
		}
	}
	return nil
}

// encode is the content of the Secret.
func (m material) encode() (map[string][]byte, error) {
	var bundle, keys bytes.Buffer
	for _, a := range m.authorities {
		bundle.Write(certPEM(a.certificate))
		if a.key == nil {
			continue
		}
		key, err := keyutil.MarshalPrivateKeyToPEM(a.key)
		if err != nil {
			return nil, fmt.Errorf("encode the key of %s: %w", a.certificate.Subject, err)
		}
		keys.Write(key)
	}
	servingKey, err := keyutil.MarshalPrivateKeyToPEM(m.servingKey)
	if err != nil {
		return nil, fmt.Errorf("encode the key of %s: %w", m.serving.Subject, err)
	}
	return map[string][]byte{CertFile: certPEM(m.serving), KeyFile: servingKey, CAFile: bundle.Bytes(), caKeys: keys.Bytes()}, nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: c.Raw})
}

// newest is the place of the newest authority that can sign, after others; -1: there
// is none.
func (m material) newest(after int) int {
	for i := after + 1; i < len(m.authorities); i++ {
		if m.authorities[i].key != nil {
			return i
		}
	}
	return -1
}

// issuer is the place of the authority that signed the serving certificate; -1: it is
// not in the bundle.
func (m material) issuer() int {
	for i, a := range m.authorities {
		if m.serving != nil && m.serving.CheckSignatureFrom(a.certificate) == nil {
			return i
		}
	}
	return -1
}
