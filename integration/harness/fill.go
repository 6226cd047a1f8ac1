package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Filling is a topic of which one broker has the only replica, and what was written to it.
type Filling struct {
	c            Client
	topic        string
	sent         int
	acknowledged []int // numbers of records; one that was not acknowledged may be there all the same
}

// fillingRecord is how large a record is that fills a volume.
const fillingRecord = 256 << 10

// StartFilling makes a topic that takes room on one broker alone.
func (c Client) StartFilling(topic string, broker int32) *Filling {
	c.t.Helper()
	admin, err := sarama.NewClusterAdmin(c.bootstrap, c.config())
	if err != nil {
		c.t.Fatalf("connect to %v: %v", c.bootstrap, err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{ReplicaAssignment: map[int32][]int32{0: {broker}}, NumPartitions: -1, ReplicationFactor: -1}, false); err != nil {
		c.t.Fatalf("create topic %s on broker %d: %v", topic, broker, err)
	}
	return &Filling{c: c, topic: topic}
}

// Write sends records one after the other, each to be acknowledged by all replicas in sync, until so many bytes are or one was not
// within seconds; then it gives the reason.
func (f *Filling) Write(bytes int) error {
	f.c.t.Helper()
	s := f.c.config()
	s.Producer.Retry.Max = int(5 * time.Second / retryPause)
	s.Metadata.Retry.Max = s.Producer.Retry.Max
	producer, err := sarama.NewSyncProducer(f.c.bootstrap, s)
	if err != nil {
		f.c.t.Fatalf("connect to %v: %v", f.c.bootstrap, err)
	}
	defer producer.Close()
	padding := strings.Repeat(".", fillingRecord)
	for range bytes / fillingRecord {
		number := f.sent
		f.sent++
		record := fmt.Sprintf("%d %s", number, padding)
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: f.topic, Value: sarama.StringEncoder(record)}); err != nil {
			return err
		}
		f.acknowledged = append(f.acknowledged, number)
	}
	return nil
}

// Acknowledged is how many records were.
func (f *Filling) Acknowledged() int { return len(f.acknowledged) }

// Verify fails the test unless every record that was acknowledged is there, in order.
func (f *Filling) Verify() {
	f.c.t.Helper()
	consumer, err := sarama.NewConsumer(f.c.bootstrap, f.c.config())
	if err != nil {
		f.c.t.Fatalf("connect to %v: %v", f.c.bootstrap, err)
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(f.topic, 0, sarama.OffsetOldest)
	if err != nil {
		f.c.t.Fatalf("consume %s: %v", f.topic, err)
	}
	defer reader.Close()
	missing := f.acknowledged
	for late := time.After(time.Minute); len(missing) > 0; {
		select {
		case r := <-reader.Messages():
			number, _, _ := strings.Cut(string(r.Value), " ")
			if number == fmt.Sprint(missing[0]) {
				missing = missing[1:]
			}
		case <-late:
			f.c.t.Fatalf("of %d records of %s that were acknowledged these are not there: %v", len(f.acknowledged), f.topic, missing)
		}
	}
}
