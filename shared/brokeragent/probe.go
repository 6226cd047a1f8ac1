package brokeragent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/shared/nodespec"
)

// probe asks the node's own Kafka.
type probe interface {
	ask(ctx context.Context) membership
	// survey asks a member what it knows of others.
	survey(ctx context.Context) (survey, error)
	close()
}

// membership is what Kafka said. Why is a sentence without ports or times of the moment, so that it only changes when
// something did.
type membership struct {
	member  bool
	brokers []int32 // sorted
	why     string  // not a member
	silent  bool    // it did not answer at all
}

// probePatience bounds one question. A Kafka that has just started to listen may need seconds for its first handshake.
const probePatience = 5 * time.Second

// kafkaProbe keeps one connection to the node's own Kafka.
type kafkaProbe struct {
	client  *kgo.Client // asks whether it is a member
	insider *kgo.Client // asks, as one of the nodes, what not every client may know
	address string
	role    nodespec.Role
	nodeID  int32
	leads   time.Time // since when it has been the active controller; zero when it is not
}

func newKafkaProbe(spec nodespec.Spec, keys keyPair) (probe, error) {
	e, err := ownEndpoint(spec)
	if err != nil {
		return nil, err
	}
	client, err := newClient(spec, keys, e)
	if err != nil {
		return nil, err
	}
	inside, ok := insideEndpoint(spec)
	if !ok {
		inside = e
	}
	insider, err := newClient(spec, keys, inside)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &kafkaProbe{client: client, insider: insider, address: e.address, role: spec.Role, nodeID: spec.NodeID}, nil
}

// newClient connects to one listener, once it is asked something.
func newClient(spec nodespec.Spec, keys keyPair, e endpoint) (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(e.address),
		kgo.ClientID("millrace-agent"),
		kgo.DisableClientMetrics(),
		// The client would ask for metadata by itself, which is no use here. A controller refuses that and ends the connection, and the
		// client would go on asking. An hour is as long as it can be kept from it.
		kgo.MetadataMaxAge(time.Hour), kgo.MetadataMinAge(time.Hour),
	}
	if e.tls {
		config, err := ownTLS(spec, keys, e.serverName)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if e.sasl != nil {
		options = append(options, kgo.SASL(mechanismOf(*e.sasl)))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("client of the node's own Kafka: %w", err)
	}
	return client, nil
}

// ownTLS shows the node's own certificate and trusts its cluster's authority alone.
func ownTLS(spec nodespec.Spec, keys keyPair, serverName string) (*tls.Config, error) {
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM([]byte(spec.Authority)) {
		return nil, errors.New("the cluster's authority is not PEM")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority, ServerName: serverName}
	if spec.Certificate != "" {
		own, err := tls.X509KeyPair([]byte(spec.Certificate), keys.privateKey)
		if err != nil {
			return nil, fmt.Errorf("the node's certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

func mechanismOf(c credential) sasl.Mechanism {
	switch c.mechanism {
	case "SCRAM-SHA-512":
		return scram.Auth{User: c.user, Pass: c.password}.AsSha512Mechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: c.user, Pass: c.password}.AsSha256Mechanism()
	default:
		return plain.Auth{User: c.user, Pass: c.password}.AsMechanism()
	}
}

func (p *kafkaProbe) close() {
	p.client.Close()
	p.insider.Close()
}

func (p *kafkaProbe) ask(ctx context.Context) membership {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	if p.role == nodespec.Controller {
		return p.askController(ctx)
	}
	return p.askBroker(ctx)
}

// askBroker: a broker lists itself once it is registered, has caught up with the metadata and is unfenced.
func (p *kafkaProbe) askBroker(ctx context.Context) membership {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none; nil would mean all
	answer, err := p.client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return membership{why: p.silence(err), silent: true}
	}
	var m membership
	for _, b := range answer.(*kmsg.MetadataResponse).Brokers {
		m.brokers = append(m.brokers, b.NodeID)
	}
	slices.Sort(m.brokers)
	m.member = slices.Contains(m.brokers, p.nodeID)
	if !m.member {
		m.why = fmt.Sprintf("Kafka answers, and does not list broker %d among the alive ones %v", p.nodeID, m.brokers)
	}
	return m
}

// controllers is the endpoint type of DescribeCluster that asks about the quorum. A controller answers it from what it
// knows itself, leader or not; DescribeQuorum is answered by the leader alone.
const controllers = 2

// askController: a controller works once it knows the leader of its quorum.
func (p *kafkaProbe) askController(ctx context.Context) membership {
	request := kmsg.NewPtrDescribeClusterRequest()
	request.EndpointType = controllers
	answer, err := p.client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		p.leads = time.Time{}
		return membership{why: p.silence(err), silent: true}
	}
	description := answer.(*kmsg.DescribeClusterResponse)
	switch leads := description.ErrorCode == 0 && description.ControllerID == p.nodeID; {
	case !leads:
		p.leads = time.Time{}
	case p.leads.IsZero():
		p.leads = time.Now()
	}
	switch {
	case description.ErrorCode != 0:
		return membership{why: fmt.Sprintf("Kafka answers with error code %d", description.ErrorCode)}
	case description.ControllerID < 0:
		return membership{why: "the controller answers, and its quorum has no leader"}
	}
	return membership{member: true}
}

// silence says why there was no answer, in words that stay the same while the cause does.
func (p *kafkaProbe) silence(err error) string {
	var network *net.OpError
	var handshake *tls.CertificateVerificationError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Kafka does not listen on " + p.address + " yet"
	case errors.Is(err, context.DeadlineExceeded):
		return "Kafka does not answer on " + p.address + " in time"
	case errors.As(err, &handshake):
		return "Kafka's certificate on " + p.address + " is not trusted: " + handshake.Err.Error()
	case errors.As(err, &network):
		return "Kafka does not answer on " + p.address + ": " + network.Err.Error()
	case errors.Is(err, io.EOF):
		return "Kafka closes the connection to " + p.address
	default:
		return "Kafka does not answer on " + p.address + ": " + err.Error()
	}
}
