package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
)

// patience is how long a cluster may take on a machine that is busy with other things.
const patience = 3 * time.Minute

// measureClusters is everything that needs a running cluster.
func (b *bench) measureClusters(ctx context.Context) error {
	c, err := b.newControlPlane("clusters")
	if err != nil {
		return err
	}
	if _, err := c.up(ctx); err != nil {
		return err
	}
	if b.wants(createTLS, rest, remove, transitions) {
		if err := b.takeTurns(ctx, c, withTLS, b.wants(createTLS, rest)); err != nil {
			return err
		}
	}
	if b.wants(createPlaintext) {
		if err := b.takeTurns(ctx, c, plaintext, true); err != nil {
			return err
		}
		took, err := b.runStock(ctx)
		if err != nil {
			return fmt.Errorf("stock by hand: %w", err)
		}
		progress("%s, stock by hand: %s", createPlaintext, took.Round(time.Millisecond))
		b.samples.add(createPlaintext, stock, took.Seconds())
	}
	stop := b.stopQuietly
	if b.wants(down) {
		stop = b.measureDown
	}
	if err := stop(ctx, c); err != nil {
		return err
	}
	return b.countTransitions(c)
}

// takeTurns creates and deletes clusters: ours and, when they are compared, by hand. The last ones are also looked at
// when they have come to rest.
func (b *bench) takeTurns(ctx context.Context, c *controlPlane, e encryption, compare bool) error {
	for round := 1; round <= b.rounds; round++ {
		restToo := e == withTLS && round == b.rounds && b.wants(rest)
		took, err := b.measureOurs(ctx, c, e, restToo)
		if err != nil {
			return fmt.Errorf("%s, round %d, ours: %w", e.figure, round, err)
		}
		line := fmt.Sprintf("%s, round %d of %d: ours %s", e.figure, round, b.rounds, took.Round(time.Millisecond))
		if compare {
			took, err := b.measureTuned(ctx, e, restToo)
			if err != nil {
				return fmt.Errorf("%s, round %d, tuned by hand: %w", e.figure, round, err)
			}
			line += fmt.Sprintf(", tuned by hand %s", took.Round(time.Millisecond))
		}
		progress("%s", line)
	}
	return nil
}

// measureOurs creates a cluster, and deletes it again.
func (b *bench) measureOurs(ctx context.Context, c *controlPlane, e encryption, restToo bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	arn, took, err := c.create(ctx, b.version.Name, e)
	if err != nil {
		return 0, err
	}
	b.samples.add(e.figure, ours, took.Seconds())
	if restToo {
		pids, err := c.brokerPIDs()
		if err != nil {
			return 0, err
		}
		if err := b.addMemory(ctx, ours, pids); err != nil {
			return 0, err
		}
	}
	gone, err := c.remove(ctx, arn)
	b.samples.add(remove, ours, gone.Seconds())
	return took, err
}

// measureTuned starts the same by hand.
func (b *bench) measureTuned(ctx context.Context, e encryption, restToo bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := b.prepareTuned(e)
	if err != nil {
		return 0, err
	}
	took, err := t.run(ctx)
	if err != nil {
		return 0, err
	}
	b.samples.add(e.figure, tuned, took.Seconds())
	if restToo {
		if err := b.addMemory(ctx, tuned, t.brokerPIDs()); err != nil {
			return 0, err
		}
	}
	return took, t.end()
}

// create gives the time from the create call to the first record that three brokers have acknowledged, by the way that
// every client goes: wait for ACTIVE, ask for the bootstrap brokers, use them.
func (c *controlPlane) create(ctx context.Context, version string, e encryption) (arn string, took time.Duration, err error) {
	request := &kafka.CreateClusterInput{
		ClusterName:         aws.String(fmt.Sprintf("bench-%d", time.Now().UnixMilli())),
		KafkaVersion:        aws.String(version),
		NumberOfBrokerNodes: aws.Int32(brokerCount),
		BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
			InstanceType:  aws.String("kafka.m7g.large"),
			ClientSubnets: []string{"subnet-a", "subnet-b", "subnet-c"},
		},
	}
	if e != withTLS { // which is what a request gets that says nothing
		request.EncryptionInfo = &types.EncryptionInfo{EncryptionInTransit: &types.EncryptionInTransit{
			ClientBroker: types.ClientBroker(e.clientBroker), InCluster: aws.Bool(e.inCluster),
		}}
	}
	began := time.Now()
	created, err := c.client.CreateCluster(ctx, request)
	if err != nil {
		return "", 0, err
	}
	arn = *created.ClusterArn
	if err := c.awaitActive(ctx, arn); err != nil {
		return arn, 0, err
	}
	k, err := c.brokersOf(ctx, arn, e)
	if err != nil {
		return arn, 0, err
	}
	err = k.firstRecord(ctx)
	return arn, time.Since(began), err
}

func (c *controlPlane) awaitActive(ctx context.Context, arn string) error {
	return until(ctx, look, "ACTIVE", func() (bool, error) {
		described, err := c.client.DescribeCluster(ctx, &kafka.DescribeClusterInput{ClusterArn: &arn})
		if err != nil {
			return false, err
		}
		info := described.ClusterInfo
		if info.State == types.ClusterStateFailed && info.StateInfo != nil {
			return false, fmt.Errorf("the cluster is FAILED: %s", aws.ToString(info.StateInfo.Message))
		}
		return info.State == types.ClusterStateActive, nil
	})
}

// brokersOf asks for what a client needs.
func (c *controlPlane) brokersOf(ctx context.Context, arn string, e encryption) (brokers, error) {
	answer, err := c.client.GetBootstrapBrokers(ctx, &kafka.GetBootstrapBrokersInput{ClusterArn: &arn})
	if err != nil {
		return brokers{}, err
	}
	if e.clientBroker == cluster.Plaintext {
		return brokers{addresses: strings.Split(aws.ToString(answer.BootstrapBrokerString), ",")}, nil
	}
	authority, err := c.authority(ctx, arn)
	return brokers{strings.Split(aws.ToString(answer.BootstrapBrokerStringTls), ","), authority}, err
}

// authority is what `millrace ca` prints.
func (c *controlPlane) authority(ctx context.Context, arn string) (string, error) {
	output, err := c.command(ctx, "ca", arn).Output()
	if err != nil {
		return "", fmt.Errorf("millrace ca: %w", err)
	}
	return string(output), nil
}

// remove gives the time from the delete call until the cluster is not found any more. It is an error when a process is
// left behind then.
func (c *controlPlane) remove(ctx context.Context, arn string) (time.Duration, error) {
	began := time.Now()
	if _, err := c.client.DeleteCluster(ctx, &kafka.DeleteClusterInput{ClusterArn: &arn}); err != nil {
		return 0, err
	}
	err := until(ctx, look, "the end of the cluster", func() (bool, error) {
		_, err := c.client.DescribeCluster(ctx, &kafka.DescribeClusterInput{ClusterArn: &arn})
		var gone *types.NotFoundException
		if errors.As(err, &gone) {
			return true, nil
		}
		return false, err
	})
	took := time.Since(began)
	return took, errors.Join(err, c.checkNothingLeft())
}

// stopQuietly ends the control plane without measuring it.
func (b *bench) stopQuietly(ctx context.Context, c *controlPlane) error {
	_, err := c.down(ctx)
	return err
}

// measureDown stops everything with a cluster running, and starts it again for the next round.
func (b *bench) measureDown(ctx context.Context, c *controlPlane) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	arn, _, err := c.create(ctx, b.version.Name, withTLS)
	if err != nil {
		return fmt.Errorf("a cluster to stop: %w", err)
	}
	k, err := c.brokersOf(ctx, arn, withTLS)
	if err != nil {
		return err
	}
	for round := 1; ; round++ {
		took, err := c.down(ctx)
		if err != nil {
			return err
		}
		b.samples.add(down, ours, took.Seconds())
		progress("%s, round %d of %d: %s", down, round, b.rounds, took.Round(time.Millisecond))
		if round == b.rounds {
			return nil
		}
		if _, err := c.up(ctx); err != nil {
			return err
		}
		if err := k.firstRecord(ctx); err != nil {
			return fmt.Errorf("after the next start: %w", err)
		}
	}
}
