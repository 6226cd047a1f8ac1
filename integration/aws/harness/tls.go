package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// front lets clients reach the gateway by its real name: they use it as their proxy, and find a server there that has a
// certificate for the name. Nobody else's name can be reached through it.
type front struct {
	host     string
	handler  http.Handler
	listener net.Listener
	proxy    *http.Server
	server   *http.Server
	tunnels  *tunnels
	// certificate is what clients have to trust, PEM.
	certificate []byte
}

func startFront(host string, handler http.Handler) (*front, error) {
	pair, certificate, err := selfSigned(host)
	if err != nil {
		return nil, err
	}
	f := &front{host: host, handler: handler, certificate: certificate, tunnels: &tunnels{conns: make(chan net.Conn), closed: make(chan struct{})}}
	if f.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	f.proxy = &http.Server{Handler: http.HandlerFunc(f.connect), ReadHeaderTimeout: time.Minute}
	f.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = f.proxy.Serve(f.listener) }() // both until they are closed
	go func() { _ = f.server.Serve(tls.NewListener(f.tunnels, f.server.TLSConfig)) }()
	return f, nil
}

func (f *front) address() string { return f.listener.Addr().String() }

func (f *front) close() error { return errors.Join(f.proxy.Close(), f.server.Close()) }

// connect opens a tunnel to the server behind.
func (f *front) connect(w http.ResponseWriter, h *http.Request) {
	if h.Method != http.MethodConnect || h.Host != f.host+":443" {
		http.Error(w, "this proxy leads to "+f.host+" only, not to "+h.Host, http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		conn.Close()
		return
	}
	select {
	case f.tunnels.conns <- conn:
	case <-f.tunnels.closed:
		conn.Close()
	}
}

// tunnels are a listener whose connections come through the proxy.
type tunnels struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

func (t *tunnels) Addr() net.Addr { return &net.TCPAddr{} }

// selfSigned makes a certificate for a name.
func selfSigned(host string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "API Gateway of a test"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
