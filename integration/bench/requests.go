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

// measureAnswers asks for one cluster after the other, and for all of them, at a steady rate.
func (b *bench) measureAnswers(ctx context.Context, c *controlPlane, arns []string) error {
	describeOne := func(ctx context.Context, i int) error {
		_, err := c.client.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: &arns[i%len(arns)]})
		return err
	}
	listAll := func(ctx context.Context, _ int) error {
		answer, err := c.client.ListClustersV2(ctx, &kafka.ListClustersV2Input{MaxResults: aws.Int32(storedClusters)})
		if err == nil && len(answer.ClusterInfoList) != storedClusters {
			err = fmt.Errorf("%d clusters instead of %d", len(answer.ClusterInfoList), storedClusters)
		}
		return err
	}
	for _, figure := range []struct {
		p50, p99 string
		ask      func(context.Context, int) error
	}{{describeP50, describeP99, describeOne}, {listP50, listP99, listAll}} {
		took, err := atSteadyRate(ctx, figure.ask)
		if err != nil {
			return fmt.Errorf("%s: %w", figure.p99, err)
		}
		p50, p99 := percentile(took, 50), percentile(took, 99)
		progress("%d requests: p50 %.1f ms, p99 %.1f ms", len(took), p50, p99)
		b.samples.add(figure.p50, ours, p50)
		b.samples.add(figure.p99, ours, p99)
	}
	return nil
}

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
