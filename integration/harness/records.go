package harness

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is how a Kafka client reaches a cluster.
type Client struct {
	t         testing.TB
	bootstrap []string
	tls       *tls.Config // nil in plain text
	dial      Dialer      // nil where names can be looked up as everywhere
}

// Dialer connects to addresses that this machine's resolver does not know.
type Dialer func(network, address string) (net.Conn, error)

// Dial implements the interface that sarama asks for.
func (d Dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// NewClient reaches a cluster over TLS by bootstrap addresses, and trusts one authority (PEM).
func NewClient(t testing.TB, bootstrap, authority string, dial Dialer) Client {
	t.Helper()
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(authority)) {
		t.Fatalf("this is no certificate: %q", authority)
	}
	return Client{t, strings.Split(bootstrap, ","), &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, dial}
}

// TLSClient reaches a cluster over TLS, and trusts what `millrace ca` prints and nothing else.
func (m *Millrace) TLSClient(t testing.TB, arn string) Client {
	t.Helper()
	bootstrap, _ := m.Bootstrap(t, arn)
	if bootstrap == "" {
		t.Fatalf("cluster %s has no bootstrap string for TLS", arn)
	}
	return NewClient(t, bootstrap, m.Command("ca", arn), nil)
}

// PlaintextClient reaches a cluster without encryption.
func (m *Millrace) PlaintextClient(t testing.TB, arn string) Client {
	t.Helper()
	_, bootstrap := m.Bootstrap(t, arn)
	if bootstrap == "" {
		t.Fatalf("cluster %s has no bootstrap string for plain text", arn)
	}
	return Client{t: t, bootstrap: strings.Split(bootstrap, ",")}
}

// A client tries again for so long that a broker which comes back late, on a machine with much else to do, is no failure:
// patience of both kinds is two minutes.
const (
	retries    = 480
	retryPause = 250 * time.Millisecond
)

// config is a careful client's: every record is acknowledged by all replicas in sync, once and in order.
func (c Client) config() *sarama.Config {
	s := sarama.NewConfig()
	s.Version = sarama.V2_8_0_0
	s.Net.TLS.Enable, s.Net.TLS.Config = c.tls != nil, c.tls
	if c.dial != nil {
		s.Net.Proxy.Enable, s.Net.Proxy.Dialer = true, c.dial
	}
	s.Net.MaxOpenRequests = 1
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Producer.Idempotent = true
	s.Producer.Return.Successes = true
	s.Producer.Retry.Max, s.Producer.Retry.Backoff = retries, retryPause
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Metadata.Retry.Max, s.Metadata.Retry.Backoff = retries, retryPause
	return s
}

// CreateTopic makes a topic with a replica on every broker, up to three.
func (c Client) CreateTopic(topic string, partitions int32) {
	c.t.Helper()
	admin, err := sarama.NewClusterAdmin(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer admin.Close()
	brokers, _, err := admin.DescribeCluster()
	if err != nil {
		c.t.Fatalf("describe cluster: %v", err)
	}
	err = admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: int16(min(3, len(brokers))),
	}, false)
	if err != nil {
		c.t.Fatalf("create topic %s: %v", topic, err)
	}
}

// CreateTopics makes many topics in few requests.
func (c Client) CreateTopics(topics []string, partitions int32, replicas int16) {
	c.t.Helper()
	client := c.raw()
	defer client.Close()
	for some := range slices.Chunk(topics, 100) {
		request := kmsg.NewPtrCreateTopicsRequest()
		request.TimeoutMillis = 30_000
		for _, name := range some {
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, replicas
			request.Topics = append(request.Topics, topic)
		}
		response, err := request.RequestWith(c.t.Context(), client)
		if err != nil {
			c.t.Fatalf("create %d topics: %v", len(some), err)
		}
		for _, made := range response.Topics {
			if err := kerr.ErrorForCode(made.ErrorCode); err != nil {
				c.t.Fatalf("create topic %s: %v", made.Topic, err)
			}
		}
	}
}

// DeleteTopics deletes topics.
func (c Client) DeleteTopics(topics []string) {
	c.t.Helper()
	client := c.raw()
	defer client.Close()
	for some := range slices.Chunk(topics, 100) {
		request := kmsg.NewPtrDeleteTopicsRequest()
		request.TimeoutMillis = 30_000
		for _, name := range some {
			topic := kmsg.NewDeleteTopicsRequestTopic()
			topic.Topic = &name
			request.Topics = append(request.Topics, topic)
			request.TopicNames = append(request.TopicNames, name)
		}
		response, err := request.RequestWith(c.t.Context(), client)
		if err != nil {
			c.t.Fatalf("delete %d topics: %v", len(some), err)
		}
		for _, gone := range response.Topics {
			if err := kerr.ErrorForCode(gone.ErrorCode); err != nil {
				c.t.Fatalf("delete topic %s: %v", *gone.Topic, err)
			}
		}
	}
}

// raw sends single requests of Kafka's protocol.
func (c Client) raw() *kgo.Client {
	c.t.Helper()
	options := []kgo.Opt{kgo.SeedBrokers(c.bootstrap...)}
	if c.tls != nil {
		options = append(options, kgo.DialTLSConfig(c.tls))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// BrokerProperties reads the properties that a broker runs with.
func (c Client) BrokerProperties(broker string) map[string]string {
	c.t.Helper()
	admin, err := sarama.NewClusterAdmin(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer admin.Close()
	described, err := admin.DescribeConfigs(
		[]*sarama.ConfigResource{{Type: sarama.BrokerResource, Name: broker}}, sarama.DescribeConfigsOptions{})
	if err != nil || len(described) != 1 || described[0].ErrorCode != sarama.ErrNoError {
		c.t.Fatalf("describe broker %s: %v, %+v", broker, err, described)
	}
	properties := map[string]string{}
	for _, e := range described[0].Configs {
		properties[e.Name] = e.Value
	}
	return properties
}

// Produce sends records with the values <prefix>-0, <prefix>-1, … and waits until all replicas in sync have each.
func (c Client) Produce(topic, prefix string, n int) {
	c.t.Helper()
	producer, err := sarama.NewSyncProducer(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer producer.Close()
	records := make([]*sarama.ProducerMessage, n)
	for i := range records {
		records[i] = &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprintf("%s-%d", prefix, i))}
	}
	if err := producer.SendMessages(records); err != nil {
		c.t.Fatalf("produce: %v", err)
	}
}

// Consume reads a topic from its beginning until it has seen n records, and gives their values, sorted.
func (c Client) Consume(topic string, n int) []string {
	c.t.Helper()
	consumer, err := sarama.NewConsumer(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		c.t.Fatalf("partitions of %s: %v", topic, err)
	}
	records := make(chan string)
	done := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(done)
	for _, partition := range partitions {
		reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			c.t.Fatalf("consume %s-%d: %v", topic, partition, err)
		}
		readers.Go(func() {
			defer reader.Close()
			for {
				select {
				case r := <-reader.Messages():
					select {
					case records <- string(r.Value):
					case <-done:
						return
					}
				case <-done:
					return
				}
			}
		})
	}
	var values []string
	deadline := time.After(3 * time.Minute)
	for len(values) < n {
		select {
		case v := <-records:
			values = append(values, v)
		case <-deadline:
			c.t.Fatalf("only %d of %d records of %s came", len(values), n, topic)
		}
	}
	slices.Sort(values)
	return values
}

// Values are what Produce sends, sorted.
func Values(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	slices.Sort(values)
	return values
}

// Stream is a producer that sends one record after the other until it is stopped.
type Stream struct {
	t        testing.TB
	stopping chan struct{}
	stopped  chan struct{}

	mu           sync.Mutex
	acknowledged int
	failures     []error
}

// StartProducing begins to send records with the values <prefix>-0, <prefix>-1, … A producer that gives up on a record
// has failed to send it: the retries within its limits are its own business.
func (c Client) StartProducing(topic, prefix string) *Stream {
	c.t.Helper()
	producer, err := sarama.NewSyncProducer(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	s := &Stream{t: c.t, stopping: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(s.stopped)
		defer producer.Close()
		for i := 0; ; i++ {
			select {
			case <-s.stopping:
				return
			case <-time.After(time.Millisecond): // hundreds a second are enough, and leave the machine to the brokers
			}
			value := fmt.Sprintf("%s-%d", prefix, i)
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
			s.mu.Lock()
			if err != nil {
				s.failures = append(s.failures, err)
			} else {
				s.acknowledged++
			}
			s.mu.Unlock()
		}
	}()
	c.t.Cleanup(func() { s.Stop() })
	return s
}

// WaitForMore waits until another n records were acknowledged.
func (s *Stream) WaitForMore(n int) {
	s.t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.acknowledged
	}
	wanted := count() + n
	Until(s.t, fmt.Sprintf("%d more records are acknowledged", n), 3*time.Minute, func() (bool, string) {
		return count() >= wanted, fmt.Sprintf("%d are missing; failures: %v", wanted-count(), s.failed())
	})
}

// failed are the failures so far.
func (s *Stream) failed() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failures)
}

// Stop ends the producer and tells how it fared.
func (s *Stream) Stop() (acknowledged int, failures []error) {
	select {
	case <-s.stopping:
	default:
		close(s.stopping)
	}
	<-s.stopped
	return s.acknowledged, s.failures
}

// WaitUntilInSync waits until the cluster can be reached and every partition has all its replicas in sync.
func (c Client) WaitUntilInSync() {
	c.t.Helper()
	s := c.config()
	s.Metadata.Retry.Max = 0
	Until(c.t, "the cluster can be reached, with all replicas in sync", 3*time.Minute, func() (bool, string) {
		return c.inSync(s)
	})
}

func (c Client) inSync(s *sarama.Config) (bool, string) {
	client, err := sarama.NewClient(c.bootstrap, s)
	if err != nil {
		return false, err.Error()
	}
	defer client.Close()
	topics, err := client.Topics()
	if err != nil {
		return false, err.Error()
	}
	for _, topic := range topics {
		partitions, err := client.Partitions(topic)
		if err != nil {
			return false, err.Error()
		}
		for _, p := range partitions {
			replicas, err := client.Replicas(topic, p)
			if err != nil {
				return false, err.Error()
			}
			inSync, err := client.InSyncReplicas(topic, p)
			if err != nil || len(inSync) < len(replicas) {
				return false, fmt.Sprintf("%s-%d: %v of %v are in sync (%v)", topic, p, inSync, replicas, err)
			}
		}
	}
	return true, ""
}
