package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// look is how often everything is looked at that has to become true.
const look = 50 * time.Millisecond

// brokers is what a client knows of a cluster: addresses, and whom to trust. No authority means plaintext.
type brokers struct {
	addresses []string
	authority string // PEM
}

func (k brokers) options(addresses ...string) ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(addresses...),
		// As quick as can be: what is measured is the cluster, not the pauses of a client.
		kgo.MetadataMinAge(look), kgo.RetryBackoffFn(func(int) time.Duration { return look }), kgo.UnknownTopicRetries(-1),
	}
	if k.authority == "" {
		return options, nil
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(k.authority)) {
		return nil, errors.New("the cluster's authority is no PEM")
	}
	return append(options, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted})), nil
}

// firstRecord goes from addresses to the first record that three brokers have acknowledged:
//
//  1. Wait until each broker lists all.
//  2. Create a topic with three replicas.
//  3. Produce a record with acks=all.
func (k brokers) firstRecord(ctx context.Context) error {
	errs := make(chan error, len(k.addresses))
	for _, address := range k.addresses {
		go func() { errs <- k.awaitNeighbours(ctx, address) }()
	}
	for range k.addresses {
		if err := <-errs; err != nil {
			return err
		}
	}
	const topic = "first"
	options, err := k.options(k.addresses...)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(options, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DefaultProduceTopic(topic))...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := createTopics(ctx, client, brokerCount, topic); err != nil {
		return err
	}
	return client.ProduceSync(ctx, kgo.StringRecord("first")).FirstErr()
}

// awaitNeighbours waits until a broker lists as many brokers as there are.
func (k brokers) awaitNeighbours(ctx context.Context, address string) error {
	options, err := k.options(address)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none; nil would mean all
	return until(ctx, look, fmt.Sprintf("broker %s to list all", address), func() (bool, error) {
		answer, err := client.SeedBrokers()[0].Request(ctx, request)
		return err == nil && len(answer.(*kmsg.MetadataResponse).Brokers) == len(k.addresses), nil
	})
}

// createTopics makes topics of one partition. One that is there already is as good.
func createTopics(ctx context.Context, client *kgo.Client, replicas int16, names ...string) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 15_000
	for _, name := range names {
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, 1, replicas
		request.Topics = append(request.Topics, wanted)
	}
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, made := range answer.Topics {
		if err := kerr.ErrorForCode(made.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", made.Topic, err)
		}
	}
	return nil
}

// until looks every now and then until something is true, fails, or ctx ends; waiting says what for.
func until(ctx context.Context, every time.Duration, waiting string, done func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", waiting, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
