package topicadmin

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// ListGroups gives all groups of a cluster, by id, each with how far it is behind.
type ListGroups struct {
	way
	Kafka interface {
		Groups(ctx context.Context, a kafka.Access) ([]cluster.GroupSummary, error)
	}
}

// Run asks the groups' coordinators and the partitions' leaders.
func (s ListGroups) Run(ctx context.Context, in errand.ListGroups) (errand.Groups, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Groups{}, err
	}
	groups, err := s.Kafka.Groups(ctx, access)
	if err != nil {
		return errand.Groups{}, fmt.Errorf("list the groups of %s: %w", c.ID, err)
	}
	slog.DebugContext(ctx, "listed groups", "cluster", c.ID, "groups", len(groups))
	return errand.Groups{Groups: groups}, nil
}
