// Package kafka asks a running cluster, through its admin protocol, what only the cluster knows, and changes its topics and
// groups. It is the one place that speaks that protocol as the control plane, and every call of it ends within seconds, whatever
// the brokers do.
package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/fault"
)

// Access is where a cluster's brokers are, and how the control plane proves to them who it is: by a certificate, or by a
// password over plain connections where the cluster's nodes do so among themselves. It shows nothing of either when it is
// printed.
type Access struct {
	// Brokers are the replication listeners to ask, host:port. Each of them is asked: one that lags behind, or is cut off, says
	// what was true once.
	Brokers []string

	// Authority (PEM) has signed what brokers show; Certificate and Key (PEM) are what the control plane shows.
	Authority   string
	Certificate string
	Key         string

	User, Password string
}

// String names the brokers, and nothing that is secret.
func (a Access) String() string { return a.LogValue().String() }

// GoString keeps secrets out of %#v too.
func (a Access) GoString() string { return a.String() }

// LogValue keeps secrets out of logs.
func (a Access) LogValue() slog.Value { return slog.AnyValue(a.Brokers) }

// Bounds of time: a broker that takes longer counts as one that does not answer.
const (
	connectWithin = 2 * time.Second
	answerWithin  = 3 * time.Second
	// askWithin bounds a whole call: connecting, proving who we are, and two questions. Once one broker has answered, the others
	// have othersWithin.
	askWithin    = 8 * time.Second
	othersWithin = 2 * time.Second
)

// config is how to connect. Its error is Internal: what we hold is no certificate.
func (a Access) config() (*sarama.Config, error) {
	c := sarama.NewConfig()
	c.ClientID = "millrace"
	c.Version = sarama.V3_9_0_0 // the oldest release that we run
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = connectWithin, answerWithin, answerWithin
	if a.User != "" {
		c.Net.SASL.Enable = true
		c.Net.SASL.Mechanism = sarama.SASLTypePlaintext
		c.Net.SASL.User, c.Net.SASL.Password = a.User, a.Password
		return c, nil
	}
	if a.Authority == "" {
		return c, nil
	}
	own, err := tls.X509KeyPair([]byte(a.Certificate), []byte(a.Key))
	if err != nil {
		return nil, fault.New(fault.Internal, "the control plane's own certificate: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(a.Authority)) {
		return nil, fault.New(fault.Internal, "the cluster's authority is no certificate")
	}
	c.Net.TLS.Enable = true
	c.Net.TLS.Config = &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	return c, nil
}
