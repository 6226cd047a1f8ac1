package api

import (
	"context"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// resume starts the failed create of a cluster again. It is the same operation in a new attempt, so its steps find what
// the attempts before have made and go on from there.
func (a *API) resume(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	operations, err := a.allOperations(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if len(operations) == 0 {
		return nil, notResumable(c)
	}
	last := operations[len(operations)-1]
	c, op, err := a.Records.ChangeOperation(ctx, c.ID, last.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		if !op.TryAgain(c) {
			return notResumable(*c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.start(ctx, op)
	return a.view(ctx, c)
}

func notResumable(c cluster.Cluster) error {
	return mskapi.BadRequest("", "Only a cluster whose create has failed can be resumed; %s is %s.", c.Name, c.State())
}
