// Package authority is a cluster's own certificate authority: it makes one and answers the signing requests of the
// cluster's hosts. Keys are ECDSA P-256, which costs Kafka the least at start. It keeps nothing.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/millrace/millrace/shared/fault"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 397 * 24 * time.Hour // the longest that common TLS clients accept
	renewBefore     = 30 * 24 * time.Hour
	clockSkew       = 5 * time.Minute // how far behind a host's clock may be
)

// New makes an authority for a cluster: its certificate and its private key, both PEM.
func New(clusterName string, now time.Time) (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Millrace CA of " + clusterName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", fmt.Errorf("make certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("encode key: %w", err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), nil
}

// Authority signs for one cluster.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// Load takes up an authority: the certificate and the private key that New has made, one after the other.
func Load(pair string) (Authority, error) {
	certificate, rest := pem.Decode([]byte(pair))
	if certificate == nil {
		return Authority{}, fault.New(fault.Internal, "the authority's certificate is no PEM")
	}
	parsed, err := x509.ParseCertificate(certificate.Bytes)
	if err != nil {
		return Authority{}, fmt.Errorf("parse the authority's certificate: %w", err)
	}
	key, _ := pem.Decode(rest)
	if key == nil {
		return Authority{}, fault.New(fault.Internal, "the authority's key is no PEM")
	}
	private, err := x509.ParsePKCS8PrivateKey(key.Bytes)
	if err != nil {
		return Authority{}, fmt.Errorf("parse the authority's key: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Authority{}, fault.New(fault.Internal, "the authority's key can't sign")
	}
	return Authority{parsed, signer}, nil
}

// Certificate is the authority's own certificate (PEM), which clients trust.
func (a Authority) Certificate() string { return encode("CERTIFICATE", a.certificate.Raw) }

// Subject is whom a certificate is for.
type Subject struct {
	CommonName string
	// Names are the host names and IP addresses at which it is found.
	Names []string
}

// Sign answers a host's signing request (PEM) with a chain (PEM) for a subject. Only the request's
// public key is used: what a certificate says is for the control plane to decide, never for a host.
func (a Authority) Sign(request string, subject Subject, now time.Time) (chain string, err error) {
	block, _ := pem.Decode([]byte(request))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return "", fault.New(fault.Invalid, "the signing request is no PEM of type CERTIFICATE REQUEST")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", fault.New(fault.Invalid, "parse signing request: %w", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return "", fault.New(fault.Invalid, "the signing request is not signed by its own key: %w", err)
	}
	return a.sign(parsed.PublicKey, subject, certificateLife, now)
}

// Issue makes a private key and a chain for it (both PEM) that is valid for life: for the control plane itself, which has no
// host to keep a key on.
func (a Authority) Issue(subject Subject, life time.Duration, now time.Time) (chain, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make key: %w", err)
	}
	if chain, err = a.sign(private.Public(), subject, life, now); err != nil {
		return "", "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("encode key: %w", err)
	}
	return chain, encode("PRIVATE KEY", pkcs8), nil
}

func (a Authority) sign(public crypto.PublicKey, subject Subject, life time.Duration, now time.Time) (chain string, err error) {
	serial, err := newSerial()
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject.CommonName},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range subject.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return encode("CERTIFICATE", der) + a.Certificate(), nil
}

// Answers tells whether a chain (PEM) is good for whoever made a signing request (PEM): it certifies the same key, and
// will for another month.
func Answers(chain, request string, now time.Time) bool {
	block, _ := pem.Decode([]byte(chain))
	asked, _ := pem.Decode([]byte(request))
	if block == nil || asked == nil {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || now.Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	parsed, err := x509.ParseCertificateRequest(asked.Bytes)
	if err != nil {
		return false
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Equal(parsed.PublicKey)
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return serial, nil
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
