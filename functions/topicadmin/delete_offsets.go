package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// DeleteOffsets makes a group forget how far it has read.
type DeleteOffsets struct {
	way
	Kafka interface {
		DeleteOffsets(ctx context.Context, a kafka.Access, of kafka.OffsetsOf, dryRun bool) ([]cluster.OffsetChange, error)
	}
}

// Run tells what was forgotten, or would be by what is no dry run.
func (s DeleteOffsets) Run(ctx context.Context, in errand.DeleteOffsets) (errand.OffsetChanges, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.OffsetChanges{}, err
	}
	changes, err := s.Kafka.DeleteOffsets(ctx, access, offsetsOf(in.OffsetsOf), in.DryRun)
	if err != nil {
		return errand.OffsetChanges{}, fmt.Errorf("delete offsets of group %s of %s: %w", in.Group, c.ID, err)
	}
	if !in.DryRun {
		slog.InfoContext(ctx, "deleted offsets", "cluster", c.ID, "group", in.Group, "topic", in.Topic, "partitions", len(changes))
	}
	return errand.OffsetChanges{Changes: changes}, nil
}
