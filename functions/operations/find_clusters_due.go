package operations

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/records"
)

// FindClustersDue asks for which clusters the sweep of topics has something to do. At rest it has nothing, which costs one call of a
// function that is awake anyway: neither the one that holds secrets nor the one that talks to brokers is called in vain.
type FindClustersDue struct {
	Records interface {
		AllClusters(ctx context.Context) ([]cluster.Cluster, error)
		KafkaAccess(ctx context.Context, clusterID string) (records.KafkaAccess, error)
	}
	Now func() time.Time
}

// FindClustersDueInput is empty: the sweep looks at everything.
type FindClustersDueInput struct{}

// FindClustersDueOutput is the clusters that something is due for, by name, from any of them on.
type FindClustersDueOutput struct {
	Clusters []ClusterDue `json:"clusters"`
}

// ClusterDue says what is due.
type ClusterDue struct {
	ClusterID string `json:"clusterId"`
	// Renew says that what the control plane shows to the brokers ends before long, or is not there.
	Renew bool `json:"renew"`
	// Declared says that there is something to hold the topics against.
	Declared bool `json:"declared"`
}

// Run passes clusters by that serve nobody: those that are being made or deleted, or that could not be. It begins at another cluster
// each time: a sweep that some of them keep waiting until it is over has not looked at the last ones.
func (s FindClustersDue) Run(ctx context.Context, _ FindClustersDueInput) (FindClustersDueOutput, error) {
	all, err := s.Records.AllClusters(ctx)
	if err != nil {
		return FindClustersDueOutput{}, fmt.Errorf("list clusters: %w", err)
	}
	out := FindClustersDueOutput{Clusters: []ClusterDue{}}
	for _, c := range all {
		if !c.Serves() {
			continue
		}
		access, err := s.Records.KafkaAccess(ctx, c.ID)
		// Whoever renews it looks for itself, and says what is wrong with it.
		due := ClusterDue{ClusterID: c.ID, Renew: err != nil || access.EndsSoon(s.Now()), Declared: c.Declaration != ""}
		if due.Renew || due.Declared {
			out.Clusters = append(out.Clusters, due)
		}
	}
	if n := len(out.Clusters); n > 1 {
		// Not by counting minutes: sweeps that come every so many of them would meet some first ones again and again.
		first := rand.New(rand.NewPCG(uint64(s.Now().UnixNano()), 0)).IntN(n) //nolint:gosec // fair, and no secret
		out.Clusters = slices.Concat(out.Clusters[first:], out.Clusters[:first])
	}
	return out, nil
}
