package topicadmin

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// DescribeGroup gives a group with its members, what it has committed, and how far it is behind in each partition.
type DescribeGroup struct {
	way
	Kafka interface {
		Group(ctx context.Context, a kafka.Access, id string) (cluster.Group, error)
	}
}

// Run asks the group's coordinator and the partitions' leaders.
func (s DescribeGroup) Run(ctx context.Context, in errand.DescribeGroup) (cluster.Group, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return cluster.Group{}, err
	}
	g, err := s.Kafka.Group(ctx, access, in.Group)
	if err != nil {
		return cluster.Group{}, fmt.Errorf("describe group %s of %s: %w", in.Group, c.ID, err)
	}
	return g, nil
}
