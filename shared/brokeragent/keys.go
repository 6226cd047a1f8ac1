package brokeragent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// keyPair is the host's private key, which never leaves it, and the request to have it certified. ECDSA P-256, because
// it costs a starting broker less than RSA.
type keyPair struct {
	privateKey     []byte // PKCS #8, PEM
	public         *ecdsa.PublicKey
	signingRequest string // PEM
}

// ensureKeys reads the host's key, or makes it when there is none. The request is kept too, so that it stays the same
// text over the agent's lives and the control plane can tell that nothing changed.
func ensureKeys(h home, hostID string) (keyPair, error) {
	keys, err := readKeys(h)
	if errors.Is(err, fs.ErrNotExist) {
		keys, err = makeKeys(h, hostID)
	}
	if err != nil {
		return keyPair{}, fmt.Errorf("key of host %s: %w", hostID, err)
	}
	return keys, nil
}

func readKeys(h home) (keyPair, error) {
	// The request is written last, so a pair is complete when it is there.
	request, err := os.ReadFile(h.request())
	if err != nil {
		return keyPair{}, err
	}
	key, err := os.ReadFile(h.key())
	if err != nil {
		return keyPair{}, err
	}
	block, _ := pem.Decode(key)
	if block == nil {
		return keyPair{}, fmt.Errorf("%s is not PEM", h.key())
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return keyPair{}, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return keyPair{}, fmt.Errorf("%s holds a %T", h.key(), parsed)
	}
	return keyPair{privateKey: key, public: &private.PublicKey, signingRequest: string(request)}, nil
}

func makeKeys(h home, hostID string) (keyPair, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyPair{}, err
	}
	// The request says who asks. What the certificate will say is up to the authority, which knows the node's addresses.
	requestDER, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: hostID}}, private)
	if err != nil {
		return keyPair{}, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: requestDER})
	if err := writePrivately(h.key(), key); err != nil {
		return keyPair{}, err
	}
	if err := writePrivately(h.request(), request); err != nil {
		return keyPair{}, err
	}
	return keyPair{privateKey: key, public: &private.PublicKey, signingRequest: string(request)}, nil
}

// certifiedBy tells whether a certificate chain (PEM, leaf first) is for this key.
func (k keyPair) certifiedBy(chain string) (bool, error) {
	leaf, err := leafOf(chain)
	if err != nil {
		return false, err
	}
	return k.public.Equal(leaf.PublicKey), nil
}

// leafOf is the first certificate of a chain.
func leafOf(chain string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(chain))
	if block == nil {
		return nil, errors.New("the certificate is not PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return leaf, nil
}

// endOf is when a chain's leaf stops being valid; nil where there is none that can be read.
func endOf(chain string) *time.Time {
	if chain == "" {
		return nil
	}
	leaf, err := leafOf(chain)
	if err != nil {
		return nil
	}
	return &leaf.NotAfter
}

// keystore is the key followed by its chain: what Kafka reads as a keystore of type PEM.
func (k keyPair) keystore(chain string) []byte {
	return bytes.Join([][]byte{k.privateKey, []byte(chain)}, nil)
}
