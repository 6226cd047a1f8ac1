package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	topic       = "millrace-demo"
	recordCount = 1000
)

// produceAndConsume sends records that every in-sync replica acknowledges, and reads them back.
func produceAndConsume(ctx context.Context, bootstrap string, authority []byte) error {
	config, err := clientConfig(authority)
	if err != nil {
		return err
	}
	brokers := strings.Split(bootstrap, ",")
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", bootstrap, err)
	}
	defer admin.Close()
	err = admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 3}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("create topic: %w", err)
	}

	began := time.Now()
	first, err := produce(brokers, config)
	if err != nil {
		return err
	}
	say("Produced %d records with acks=all over TLS in %s.", recordCount, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := consume(ctx, brokers, config, first); err != nil {
		return err
	}
	say("Consumed all of them again in %s.", time.Since(began).Round(time.Millisecond))
	return nil
}

func clientConfig(authority []byte) (*sarama.Config, error) {
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, errors.New("the cluster's authority is no certificate")
	}
	config := sarama.NewConfig()
	config.Version = sarama.V3_9_0_0
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	return config, nil
}

// produce sends the records and gives the offset of the first.
func produce(brokers []string, config *sarama.Config) (first int64, err error) {
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return 0, fmt.Errorf("start producer: %w", err)
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, recordCount)
	for i := range messages {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprintf("record %d", i))}
	}
	if err := producer.SendMessages(messages); err != nil {
		return 0, fmt.Errorf("produce: %w", err)
	}
	first = messages[0].Offset
	for _, m := range messages {
		first = min(first, m.Offset)
	}
	return first, nil
}

func consume(ctx context.Context, brokers []string, config *sarama.Config, first int64) error {
	consumer, err := sarama.NewConsumer(brokers, config)
	if err != nil {
		return fmt.Errorf("start consumer: %w", err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, first)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer partition.Close()
	for seen := range recordCount {
		select {
		case <-partition.Messages():
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records were consumed: %w", seen, recordCount, ctx.Err())
		}
	}
	return nil
}
