package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// Figures of volumes that grow.
const (
	growthUsable          = "growth-usable"           // request → the hosts of all brokers have found the room
	growthComplete        = "growth-complete"         // request → the cluster is ACTIVE again
	growthModelled        = "growth-modelled"         // request → usable, on AWS as modelled
	growthModelledFurther = "growth-modelled-further" // the same while volumes rest, by further ones
)

func storagePromises() []promise {
	return []promise{
		{growthUsable, "volumes of 3 brokers grow, request → usable", "s", 60, 0},
		{growthComplete, "the same, request → ACTIVE, and the next growth is taken", "s", 0, 0},
		{growthModelled, "the same on AWS, modelled, request → usable", "s", 60, 0},
		{growthModelledFurther, "the next one there, by further volumes, modelled, request → usable", "s", 60, 0},
	}
}

// measureStorage grows the volumes of a cluster, each time right after the growth before; what that takes on AWS is said by the model
// in statemachines, which `make model` tells of in full.
func (b *bench) measureStorage(ctx context.Context) error {
	c, arn, err := b.withCluster(ctx, "storage")
	if err != nil {
		return err
	}
	for round := 1; round <= b.rounds; round++ {
		usable, complete, err := c.grow(ctx, arn)
		if err != nil {
			return fmt.Errorf("%s, round %d: %w", storage, round, err)
		}
		b.samples.add(growthUsable, ours, usable.Seconds())
		b.samples.add(growthComplete, ours, complete.Seconds())
		progress("%s, round %d of %d: usable after %s", storage, round, b.rounds, usable.Round(time.Millisecond))
	}
	if err := b.stopQuietly(ctx, c); err != nil {
		return err
	}
	for figure, test := range map[string]string{
		growthModelled:        "TestUpdateBrokerStorage_IsModelledWithinItsTimeOnAWS",
		growthModelledFurther: "TestUpdateBrokerStorage_ByFurtherVolumesIsModelledWithinItsTimeOnAWS",
	} {
		modelled, err := modelledGrowth(ctx, test)
		if err != nil {
			return err
		}
		b.samples.add(figure, ours, modelled)
	}
	return nil
}

// grow makes every volume of a cluster larger by the least that it grows by. It gives the time until every broker's host has told of
// the room, and until the cluster takes the next change.
func (c *controlPlane) grow(ctx context.Context, arn string) (usable, complete time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	described, err := c.client.DescribeCluster(ctx, &kafka.DescribeClusterInput{ClusterArn: &arn})
	if err != nil {
		return 0, 0, err
	}
	had, err := c.leastRoom(ctx, arn)
	if err != nil {
		return 0, 0, err
	}
	size := *described.ClusterInfo.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize + 10
	began := time.Now()
	_, err = c.client.UpdateBrokerStorage(ctx, &kafka.UpdateBrokerStorageInput{
		ClusterArn: &arn, CurrentVersion: described.ClusterInfo.CurrentVersion,
		TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: &size}},
	})
	if err != nil {
		return 0, 0, err
	}
	err = until(ctx, look, "every broker to have more room", func() (bool, error) {
		has, err := c.leastRoom(ctx, arn)
		return has > had, err
	})
	if err != nil {
		return 0, 0, err
	}
	usable = time.Since(began)
	err = c.awaitActive(ctx, arn)
	return usable, time.Since(began), err
}

// leastRoom is the size in bytes of the smallest volume of a cluster, as the brokers' hosts have said it last.
func (c *controlPlane) leastRoom(ctx context.Context, arn string) (least int64, err error) {
	printed, err := c.command(ctx, "storage", "show", arn, "--output", "json").Output()
	if err != nil {
		return 0, fmt.Errorf("millrace storage show: %w", err)
	}
	var shown struct{ Brokers []struct{ TotalBytes int64 } }
	if err := json.Unmarshal(printed, &shown); err != nil {
		return 0, fmt.Errorf("millrace storage show: %w", err)
	}
	if len(shown.Brokers) == 0 {
		return 0, errors.New("millrace storage show: there are no brokers")
	}
	least = shown.Brokers[0].TotalBytes
	for _, broker := range shown.Brokers {
		least = min(least, broker.TotalBytes)
	}
	return least, nil
}

// saysUsable is what the model says of half of its growths, in seconds.
var saysUsable = regexp.MustCompile(`all of it usable p50 ([0-9.]+) s`)

// modelledGrowth runs a test that models growths on AWS.
func modelledGrowth(ctx context.Context, test string) (seconds float64, err error) {
	printed, err := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^"+test+"$", "./statemachines").CombinedOutput() //nolint:gosec // a name from above
	if err != nil {
		return 0, fmt.Errorf("model of growths (run this from the top of the checkout): %w\n%s", err, printed)
	}
	said := saysUsable.FindSubmatch(printed)
	if said == nil {
		return 0, fmt.Errorf("the model of growths does not say when they are usable:\n%s", printed)
	}
	return strconv.ParseFloat(string(said[1]), 64)
}
