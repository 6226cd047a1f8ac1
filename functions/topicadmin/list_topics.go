package topicadmin

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka"
)

// ListTopics gives a page of a cluster's topics, by name. Kafka's own are not among them.
type ListTopics struct {
	way
	Kafka interface {
		Topics(ctx context.Context, a kafka.Access) ([]cluster.Topic, error)
	}
}

// Run asks for all topics, in one request, and answers with those that were asked for.
func (s ListTopics) Run(ctx context.Context, in errand.ListTopics) (errand.Topics, error) {
	c, access, err := s.to(ctx, in.ClusterID)
	if err != nil {
		return errand.Topics{}, err
	}
	all, err := s.Kafka.Topics(ctx, access)
	if err != nil {
		return errand.Topics{}, fmt.Errorf("list the topics of %s: %w", c.ID, err)
	}
	page := errand.Topics{Topics: []errand.TopicSummary{}}
	for _, t := range all {
		switch {
		case isInternal(t) || !strings.HasPrefix(t.Name, in.Prefix) || in.After != "" && t.Name <= in.After:
			continue
		case in.Limit > 0 && len(page.Topics) == in.Limit:
			page.More = true
		default:
			page.Topics = append(page.Topics, errand.TopicSummary{
				Name: t.Name, Partitions: len(t.Partitions), ReplicationFactor: t.ReplicationFactor(), OutOfSync: t.OutOfSync(),
			})
		}
		if page.More {
			break
		}
	}
	slog.DebugContext(ctx, "listed topics", "cluster", c.ID, "topics", len(page.Topics), "of", len(all))
	return page, nil
}
