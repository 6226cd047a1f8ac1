package authority_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/fault"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T) authority.Authority {
	t.Helper()
	certificate, key, err := authority.New("orders", now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := authority.Load(certificate + key)
	if err != nil {
		t.Fatal(err)
	}
	if a.Certificate() != certificate {
		t.Error("loaded with another certificate than it was made with")
	}
	return a
}

// request makes a host's key and its signing request.
func request(t *testing.T, template *x509.CertificateRequest) (key *ecdsa.PrivateKey, request string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, encode(der)
}

func encode(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// certificates reads a chain.
func certificates(t *testing.T, chain string) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for rest := []byte(chain); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("no PEM: %q", rest)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func trusting(t *testing.T, a authority.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates(t, a.Certificate()) {
		pool.AddCert(c)
	}
	return pool
}

var subject = authority.Subject{CommonName: "kafka-internal", Names: []string{"b-1.orders.example", "127.46.30.1", "::1"}}

func sign(t *testing.T, a authority.Authority, request string) []*x509.Certificate {
	t.Helper()
	chain, err := a.Sign(request, subject, now)
	if err != nil {
		t.Fatal(err)
	}
	return certificates(t, chain)
}

func TestSign_GivesAChainThatClientsAndBrokersTrust(t *testing.T) {
	a := newAuthority(t)
	key, csr := request(t, &x509.CertificateRequest{})
	chain := sign(t, a, csr)
	if len(chain) != 2 || chain[0].IsCA || !chain[1].IsCA {
		t.Fatalf("not a leaf and its authority: %d certificates", len(chain))
	}
	if !key.PublicKey.Equal(chain[0].PublicKey) {
		t.Error("the certificate is for another key")
	}
	for _, name := range append(subject.Names, "") {
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := chain[0].Verify(x509.VerifyOptions{
				Roots: trusting(t, a), DNSName: bracketed(name), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use},
			})
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if err := chain[0].VerifyHostname("b-2.orders.example"); err == nil {
		t.Error("it is good for a name that it was not made for")
	}
}

// bracketed is how x509 takes an IP address for a name.
func bracketed(name string) string {
	if net.ParseIP(name) != nil {
		return "[" + name + "]"
	}
	return name
}

func TestSign_IsTrustedByItsOwnClusterOnly(t *testing.T) {
	_, csr := request(t, &x509.CertificateRequest{})
	leaf := sign(t, newAuthority(t), csr)[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: trusting(t, newAuthority(t)), CurrentTime: now}); err == nil {
		t.Error("the authority of another cluster of the same name vouches for it")
	}
}

func TestSign_HoldsForAClockThatIsBehindAndForAYear(t *testing.T) {
	a := newAuthority(t)
	_, csr := request(t, &x509.CertificateRequest{})
	leaf := sign(t, a, csr)[0]
	for _, tt := range []struct {
		name string
		at   time.Duration
		want bool
	}{
		{"a host whose clock is four minutes behind", -4 * time.Minute, true},
		{"a year later", 365 * 24 * time.Hour, true},
		{"398 days later", 398 * 24 * time.Hour, false},
		{"an hour before", -time.Hour, false},
	} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: trusting(t, a), CurrentTime: now.Add(tt.at)})
		if (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSign_IgnoresWhatTheHostSaysOfItself(t *testing.T) {
	_, csr := request(t, &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"root"}},
		DNSNames:    []string{"b-2.orders.example"},
		IPAddresses: []net.IP{net.ParseIP("127.46.30.2")},
		ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}, // basic constraints: CA
		},
	})
	leaf := sign(t, newAuthority(t), csr)[0]
	if leaf.Subject.String() != "CN=kafka-internal" || leaf.IsCA {
		t.Errorf("subject %s, CA %t", leaf.Subject, leaf.IsCA)
	}
	for _, name := range []string{"b-2.orders.example", "127.46.30.2"} {
		if leaf.VerifyHostname(bracketed(name)) == nil {
			t.Errorf("it is good for %s, which the host has asked for", name)
		}
	}
}

func TestSign_RefusesARequestForSomebodyElsesKey(t *testing.T) {
	_, mine := request(t, &x509.CertificateRequest{})
	other, _ := request(t, &x509.CertificateRequest{})
	block, _ := pem.Decode([]byte(mine))
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	stolen := bytes.Replace(block.Bytes, parsed.RawSubjectPublicKeyInfo, theirs, 1)
	if _, err := newAuthority(t).Sign(encode(stolen), subject, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestSign_RefusesWhatIsNoRequest(t *testing.T) {
	a := newAuthority(t)
	for name, text := range map[string]string{
		"nothing":       "",
		"no PEM":        "hello",
		"a certificate": a.Certificate(),
		"garbage":       encode([]byte("hello")),
	} {
		if _, err := a.Sign(text, subject, now); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoad_SaysWhatIsWrong(t *testing.T) {
	certificate, key, err := authority.New("orders", now)
	if err != nil {
		t.Fatal(err)
	}
	for pair, want := range map[string]string{
		"":                        "certificate is no PEM",
		certificate:               "key is no PEM",
		key + certificate:         "parse the authority's certificate",
		certificate + certificate: "parse the authority's key",
	} {
		if _, err := authority.Load(pair); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAnswers_OnlyWhileTheCertificateIsGoodForTheHostsOwnKey(t *testing.T) {
	a := newAuthority(t)
	_, ours := request(t, &x509.CertificateRequest{})
	_, another := request(t, &x509.CertificateRequest{})
	chain, err := a.Sign(ours, authority.Subject{CommonName: "kafka-internal"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		chain, request string
		at             time.Time
		want           bool
	}{
		{"the same key, freshly signed", chain, ours, now, true},
		{"the same key, shortly before the certificate ends", chain, ours, now.Add(390 * 24 * time.Hour), false},
		{"a host that has lost its key", chain, another, now, false},
		{"no certificate yet", "", ours, now, false},
		{"no request", chain, "", now, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := authority.Answers(tt.chain, tt.request, tt.at); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestIssue_MakesAKeyWithACertificateThatLivesAsLongAsItIsToldTo(t *testing.T) {
	a := newAuthority(t)
	chain, key, err := a.Issue(subject, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.Subject.CommonName != subject.CommonName || !pair.Leaf.NotAfter.Equal(now.Add(time.Hour)) {
		t.Errorf("for %s until %s", pair.Leaf.Subject.CommonName, pair.Leaf.NotAfter)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{
		Roots: trusting(t, a), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		t.Error(err)
	}
	if _, another, err := a.Issue(subject, time.Hour, now); err != nil || another == key {
		t.Errorf("the same key again (%v)", err)
	}
}
