package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/integration/load"
)

// observer asks a cluster itself how it fares, as a client does that nobody of the control plane has told anything.
type observer struct {
	client  *kgo.Client
	brokers int
}

func newObserver(bootstrap, authority string, brokers int) (*observer, error) {
	config, err := trusting(authority)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.DialTLSConfig(config),
		kgo.DialTimeout(2*time.Second), kgo.RetryTimeout(2*time.Second), kgo.RequestTimeoutOverhead(2*time.Second))
	return &observer{client, brokers}, err
}

// trusting trusts one authority (PEM) and no other.
func trusting(authority string) (*tls.Config, error) {
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(authority)) {
		return nil, errors.New("the cluster's authority is no certificate")
	}
	return &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, nil
}

// inOrder tells whether every broker knows all of them and sees all replicas of all partitions in sync, and every
// controller follows the active one; it says what is not so.
func (o *observer) inOrder(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for id := range o.brokers {
		if missing := o.seenBy(ctx, id+1); missing != "" {
			return false, fmt.Sprintf("broker %d: %s", id+1, missing)
		}
	}
	_, missing := o.quorum(ctx)
	return missing == "", missing
}

// seenBy says what is missing in the eyes of a broker.
func (o *observer) seenBy(ctx context.Context, broker int) string {
	answer, err := o.client.Broker(broker).Request(ctx, kmsg.NewPtrMetadataRequest())
	if err != nil {
		return err.Error()
	}
	metadata, ok := answer.(*kmsg.MetadataResponse)
	switch {
	case !ok:
		return fmt.Sprintf("it answered a %T", answer)
	case len(metadata.Brokers) < o.brokers:
		return fmt.Sprintf("it knows of %d brokers", len(metadata.Brokers))
	}
	for _, topic := range metadata.Topics {
		for _, p := range topic.Partitions {
			if len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("of %s-%d %v are in sync", *topic.Topic, p.Partition, p.ISR)
			}
		}
	}
	return ""
}

// follows is how far a controller may be behind the active one.
const follows = 5 * time.Second

// quorum gives the active controller, and says what is missing for all others to follow it.
func (o *observer) quorum(ctx context.Context) (active int32, missing string) {
	p, err := load.Quorum(ctx, o.client)
	switch {
	case err != nil:
		return -1, err.Error()
	case p.LeaderID < 0:
		return -1, "there is no active controller"
	}
	leader := slices.IndexFunc(p.CurrentVoters, func(v kmsg.DescribeQuorumResponseTopicPartitionReplicaState) bool { return v.ReplicaID == p.LeaderID })
	if leader < 0 {
		return p.LeaderID, "the active controller is no voter"
	}
	for _, v := range p.CurrentVoters {
		behind := time.Duration(p.CurrentVoters[leader].LastCaughtUpTimestamp-v.LastCaughtUpTimestamp) * time.Millisecond
		switch {
		case v.ReplicaID == p.LeaderID:
		case v.LastCaughtUpTimestamp <= 0:
			return p.LeaderID, fmt.Sprintf("controller %d has not followed the active one yet", v.ReplicaID)
		case behind > follows:
			return p.LeaderID, fmt.Sprintf("controller %d is %s behind", v.ReplicaID, behind)
		}
	}
	return p.LeaderID, ""
}
