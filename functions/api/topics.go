package api

import (
	"context"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/mskapi"
)

// ask has functions/topicadmin do an errand, and puts a no of Kafka's into MSK's words.
func ask[Answer any](ctx context.Context, a *API, name string, in any) (Answer, error) {
	answer, err := errand.Run[Answer](ctx, a.Functions, name, in)
	return answer, fromKafka(err)
}

// withTopics are the states in which a cluster has brokers that know of topics. MSK wants ACTIVE alone; but while a cluster is
// updated or healed, its brokers serve clients, and who administers topics is one of them.
var withTopics = []cluster.State{
	cluster.Active, cluster.Updating, cluster.Healing, cluster.Maintenance, cluster.RebootingBroker,
}

// clusterWithTopics finds the cluster that an ARN in a request names, if it is in a state to be asked for what lies in it.
func (a *API) clusterWithTopics(ctx context.Context, arn string) (cluster.Cluster, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return c, err
	}
	return c, reachable(c)
}

// reachable refuses a cluster that is in no state to be asked for what lies in it.
func reachable(c cluster.Cluster) error {
	if slices.Contains(withTopics, c.State()) {
		return nil
	}
	next := ""
	if c.State() == cluster.Creating {
		next = " Try again once it is ACTIVE."
	}
	return mskapi.BadRequest("clusterArn", "You can't reach the topics of a cluster in %s state.%s", c.State(), next)
}
