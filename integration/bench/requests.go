package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
)

const (
	storedClusters = 100
	requestRate    = 200 // a second
	requestTime    = 10 * time.Second
)

// Figures of requests under load.
const (
	describeP50 = "describe-p50"
	describeP99 = "describe-p99"
	listP50     = "list-p50"
	listP99     = "list-p99"
)

// measureRequests is everything that only needs a control plane with clusters in its store.
func (b *bench) measureRequests(ctx context.Context) error {
	c, err := b.newControlPlane("requests")
	if err != nil {
		return err
	}
	arns, err := c.seed(ctx, b.version.Name)
	if err != nil {
		return fmt.Errorf("store %d clusters: %w", storedClusters, err)
	}
	for round := 1; ; round++ {
		took, err := c.up(ctx)
		if err != nil {
			return err
		}
		b.samples.add(ready, ours, took.Seconds())
		if round == b.rounds {
			break
		}
		if _, err := c.down(ctx); err != nil {
			return err
		}
	}
	progress("%s, %d rounds: %.0f ms", ready, b.rounds, 1000*median(b.samples[ready][ours]))
	if b.wants(describe) {
		if err := b.measureAnswers(ctx, c, arns); err != nil {
			return err
		}
	}
	_, err = c.down(ctx)
	return err
}

// measureAnswers asks for one cluster after the other and for all of them, in turns.
func (b *bench) measureAnswers(ctx context.Context, c *controlPlane, arns []string) error {
	describeOne := func(ctx context.Context, i int) error {
		_, err := c.client.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: &arns[i%len(arns)]})
		return err
	}
	listAll := func(ctx context.Context) error {
		answer, err := c.client.ListClustersV2(ctx, &kafka.ListClustersV2Input{MaxResults: aws.Int32(storedClusters)})
		if err == nil && len(answer.ClusterInfoList) != storedClusters {
			err = fmt.Errorf("%d clusters instead of %d", len(answer.ClusterInfoList), storedClusters)
		}
		return err
	}
	took, err := atSteadyRate(ctx, func(ctx context.Context, i int) error {
		if isList(i) {
			return listAll(ctx)
		}
		return describeOne(ctx, i/2)
	})
	if err != nil {
		return err
	}
	var describes, lists []float64
	for i, ms := range took {
		if isList(i) {
			lists = append(lists, ms)
		} else {
			describes = append(describes, ms)
		}
	}
	b.samples.add(describeP50, ours, percentile(describes, 50))
	b.samples.add(describeP99, ours, percentile(describes, 99))
	b.samples.add(listP50, ours, percentile(lists, 50))
	b.samples.add(listP99, ours, percentile(lists, 99))
	return nil
}

// isList tells which of the requests are lists: every second one.
func isList(request int) bool { return request%2 == 1 }

// atSteadyRate sends requests by the clock, whether or not earlier ones have been answered, and gives for each the
// milliseconds from when it was due to its decoded answer. A slow answer so counts for those that had to wait behind it.
func atSteadyRate(ctx context.Context, ask func(context.Context, int) error) ([]float64, error) {
	const pause = time.Second / requestRate
	count := int(requestTime / pause)
	took, errs := make([]float64, count), make([]error, count)
	began := time.Now()
	var asked sync.WaitGroup
	for i := range count {
		due := began.Add(time.Duration(i) * pause)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			asked.Wait()
			return nil, ctx.Err()
		}
		asked.Go(func() {
			errs[i] = ask(ctx, i)
			took[i] = float64(time.Since(due)) / float64(time.Millisecond)
		})
	}
	asked.Wait()
	return took, errors.Join(errs...)
}
