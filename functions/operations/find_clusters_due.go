package topicadmin

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
)

// ListServingClusters asks which clusters there are to be looked after: those that are being made or deleted, or that could not be,
// are not among them.
type ListServingClusters struct {
	Records interface {
		AllClusters(ctx context.Context) ([]cluster.Cluster, error)
	}
}

// ListServingClustersInput is empty: the sweep looks at everything.
type ListServingClustersInput struct{}

// ListServingClustersOutput is the clusters, by name.
type ListServingClustersOutput struct {
	Clusters []ServingCluster `json:"clusters"`
}

// ServingCluster names a cluster, and says whether topics of it are declared: where none are, there is nothing to hold them against.
type ServingCluster struct {
	ClusterID string `json:"clusterId"`
	Declared  bool   `json:"declared"`
}

// Run reads them all.
func (s ListServingClusters) Run(ctx context.Context, _ ListServingClustersInput) (ListServingClustersOutput, error) {
	all, err := s.Records.AllClusters(ctx)
	if err != nil {
		return ListServingClustersOutput{}, fmt.Errorf("list clusters: %w", err)
	}
	out := ListServingClustersOutput{Clusters: []ServingCluster{}}
	for _, c := range all {
		if c.Serves() {
			out.Clusters = append(out.Clusters, ServingCluster{c.ID, c.Declaration != ""})
		}
	}
	return out, nil
}
