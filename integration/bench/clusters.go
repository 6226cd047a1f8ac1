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

	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/records"
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
		if err := b.rounds(ctx, c, withTLS, b.wants(createTLS, rest)); err != nil {
			return err
		}
	}
	if b.wants(createPlaintext) {
		if err := b.rounds(ctx, c, plaintext, true); err != nil {
			return err
		}
		took, err := b.runStock(ctx)
		if err != nil {
			return fmt.Errorf("stock by hand: %w", err)
		}
		progress("plaintext, stock by hand: %s", took.Round(time.Millisecond))
		b.samples.add(createPlaintext, stock, took.Seconds())
	}
	if b.wants(down) {
		return errors.Join(b.measureDown(ctx, c), c.countTransitions())
	}
	if _, err := c.down(ctx); err != nil {
		return err
	}
	return c.countTransitions()
}

// rounds creates and deletes clusters, ours and, when they are compared, by hand, in turns.
func (b *bench) rounds(ctx context.Context, c *controlPlane, e encryption, compare bool) error {
	for round := 1; round <= b.rounds_(); round++ {
		last := round == b.rounds_()
		took, err := b.ours(ctx, c, e, last)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		line := fmt.Sprintf("%s, round %d: ours %s", e.figure, round, took.Round(time.Millisecond))
		if compare {
			took, err := b.tuned(ctx, e, last)
			if err != nil {
				return fmt.Errorf("round %d, tuned by hand: %w", round, err)
			}
			line += fmt.Sprintf(", tuned by hand %s", took.Round(time.Millisecond))
		}
		progress("%s", line)
	}
	return nil
}
