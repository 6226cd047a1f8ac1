package api

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// errAlreadyDeleting ends a delete that has nothing left to do.
var errAlreadyDeleting = errors.New("the cluster is being deleted already")

// deleteCluster starts the deletion of a cluster. The cluster is DELETING before the call returns, because clients look
// at once and take any other state for a failure; deleting it again is success.
func (a *API) deleteCluster(ctx context.Context, in *kafka.DeleteClusterInput) (*kafka.DeleteClusterOutput, error) {
	c, err := a.cluster(ctx, *in.ClusterArn)
	if err != nil {
		return nil, err
	}
	op, err := a.newOperation(ctx, c, cluster.DeleteCluster)
	if err != nil {
		return nil, err
	}
	c, err = a.Records.StartOperation(ctx, c.ID, op, func(c *cluster.Cluster) error {
		if err := admitDelete(*c, in.CurrentVersion); err != nil {
			return err
		}
		op.Claim(c)
		return nil
	})
	switch {
	case errors.Is(err, errAlreadyDeleting):
	case err != nil:
		return nil, err
	default:
		a.start(ctx, op)
	}
	return &kafka.DeleteClusterOutput{ClusterArn: in.ClusterArn, State: types.ClusterState(c.State())}, nil
}

// admitDelete says whether a cluster may be deleted now; version is the one the caller knows, if it says.
func admitDelete(c cluster.Cluster, version *string) error {
	switch state := c.State(); state {
	case cluster.Deleting:
		return errAlreadyDeleting
	case cluster.Active, cluster.Failed:
		return checkVersion(c, version)
	default:
		return mskapi.BadRequest("clusterArn", "You can't delete cluster in %s state.", state)
	}
}

// checkVersion is the optimistic lock: it refuses a change that was decided on another version of the cluster.
func checkVersion(c cluster.Cluster, version *string) error {
	if version != nil && aws.ToString(version) != c.Version {
		return mskapi.BadRequest("currentVersion",
			"The version of the cluster isn't current. Check the current version and try again.")
	}
	return nil
}
