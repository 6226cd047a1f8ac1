package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// ResetOffsets has a group go on reading elsewhere.
type ResetOffsets struct {
	way
	Kafka interface {
		ResetOffsets(ctx context.Context, a kafka.Access, of kafka.OffsetsOf, to cluster.OffsetTarget, dryRun bool) ([]cluster.OffsetChange, error)
	}
}

// Run tells what was reset, or would be by what is no dry run.
func (s ResetOffsets) Run(ctx context.Context, in errand.ResetOffsets) (errand.OffsetChanges, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.OffsetChanges{}, err
	}
	changes, err := s.Kafka.ResetOffsets(ctx, access, offsetsOf(in.OffsetsOf), in.To, in.DryRun)
	if err != nil {
		return errand.OffsetChanges{}, fmt.Errorf("reset offsets of group %s of %s: %w", in.Group, c.ID, err)
	}
	if !in.DryRun {
		slog.InfoContext(ctx, "reset offsets", "cluster", c.ID, "group", in.Group, "topic", in.Topic, "partitions", len(changes))
	}
	return errand.OffsetChanges{Changes: changes}, nil
}

func offsetsOf(in errand.OffsetsOf) kafka.OffsetsOf {
	return kafka.OffsetsOf{Group: in.Group, Topic: in.Topic, Partitions: in.Partitions}
}
