package topicadmin

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// DeleteGroup deletes a group with all that it has committed.
type DeleteGroup struct {
	way
	Kafka interface {
		DeleteGroup(ctx context.Context, a kafka.Access, id string) error
	}
}

// Run does it, unless the group has members.
func (s DeleteGroup) Run(ctx context.Context, in errand.DeleteGroup) (errand.Done, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Done{}, err
	}
	if err := s.Kafka.DeleteGroup(ctx, access, in.Group); err != nil {
		return errand.Done{}, fmt.Errorf("delete group %s of %s: %w", in.Group, c.ID, err)
	}
	return errand.Done{}, nil
}
