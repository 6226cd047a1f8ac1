package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ProduceAt sends records with the values <prefix>-0, <prefix>-1, … to one partition, which say that they were written at a time.
func (c Client) ProduceAt(topic string, partition int32, prefix string, n int, at time.Time) {
	c.t.Helper()
	config := c.config()
	config.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(c.bootstrap, config)
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer producer.Close()
	records := make([]*sarama.ProducerMessage, n)
	for i := range records {
		records[i] = &sarama.ProducerMessage{
			Topic: topic, Partition: partition, Timestamp: at, Value: sarama.StringEncoder(fmt.Sprintf("%s-%d", prefix, i)),
		}
	}
	if err := producer.SendMessages(records); err != nil {
		c.t.Fatalf("produce: %v", err)
	}
}

// Member is a consumer of a group, alone in it, which reads from the beginning where nothing is committed.
type Member struct {
	t    testing.TB
	read chan string
	// commit commits what was read, leave has the group forget the member.
	commit func(ctx context.Context) error
	leave  func()
}

// Join joins a group by the protocol that clients have always had.
func (c Client) Join(group, clientID, topic string) *Member {
	c.t.Helper()
	config := c.config()
	config.ClientID = clientID
	config.Consumer.Offsets.AutoCommit.Enable = false
	consumer, err := sarama.NewConsumerGroup(c.bootstrap, group, config)
	if err != nil {
		c.t.Fatalf("join group %s: %v", group, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	s := &sessions{read: make(chan string)}
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			_ = consumer.Consume(ctx, []string{topic}, s) // what fails is tried again, until there is no time left
		}
	})
	m := &Member{t: c.t, read: s.read, commit: s.commit, leave: sync.OnceFunc(func() {
		stop()
		running.Wait()
		_ = consumer.Close()
	})}
	c.t.Cleanup(m.leave)
	return m
}

// sessions are a member's times with an assignment.
type sessions struct {
	read    chan string
	mu      sync.Mutex
	current sarama.ConsumerGroupSession
}

func (s *sessions) Setup(session sarama.ConsumerGroupSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = session
	return nil
}

func (s *sessions) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (s *sessions) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		session.MarkMessage(m, "")
		select {
		case s.read <- string(m.Value):
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (s *sessions) commit(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Commit()
	return nil
}

// JoinByTheNewProtocol joins a group whose coordinator shares out the partitions (KIP-848).
func (c Client) JoinByTheNewProtocol(group, clientID, topic string) *Member {
	c.t.Helper()
	options := []kgo.Opt{
		kgo.SeedBrokers(c.bootstrap...), kgo.ClientID(clientID), kgo.DisableClientMetrics(),
		kgo.ConsumerGroup(group), kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	}
	if c.tls != nil {
		options = append(options, kgo.DialTLSConfig(c.tls))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		c.t.Fatalf("join group %s: %v", group, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	read := make(chan string)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				select {
				case read <- string(r.Value):
				case <-ctx.Done():
				}
			})
		}
	})
	m := &Member{t: c.t, read: read, commit: client.CommitUncommittedOffsets, leave: sync.OnceFunc(func() {
		stop()
		running.Wait()
		client.Close()
	})}
	c.t.Cleanup(m.leave)
	return m
}

// Read gives the values of the next n records, sorted.
func (m *Member) Read(n int) []string {
	m.t.Helper()
	var values []string
	deadline := time.After(2 * time.Minute)
	for len(values) < n {
		select {
		case v := <-m.read:
			values = append(values, v)
		case <-deadline:
			m.t.Fatalf("only %d of %d records came: %q", len(values), n, values)
		}
	}
	slices.Sort(values)
	return values
}

// Commit commits what was read.
func (m *Member) Commit() {
	m.t.Helper()
	if err := m.commit(m.t.Context()); err != nil {
		m.t.Fatalf("commit: %v", err)
	}
}

// Leave ends the member; its group is empty then.
func (m *Member) Leave() { m.leave() }
