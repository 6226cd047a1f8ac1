package api

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

const (
	// usualMaintenance is how long maintenance lasts when nobody says.
	usualMaintenance = 2 * time.Hour
	// longestMaintenance bounds what may be asked for: what nobody ends has to end while somebody still remembers it.
	longestMaintenance = 24 * time.Hour

	maxMaintenanceReason = 256
)

type maintenanceInput struct {
	NodeId     *int32 // all nodes of the cluster when it is left out
	ForSeconds *int64 // two hours when it is left out
	Reason     string
}

// beginMaintenance keeps healing away from a cluster, or from one of its nodes, for a while. What is being healed already
// goes on: a host that is half replaced is in nobody's way but the cluster's.
func (a *API) beginMaintenance(ctx context.Context, arn string, in maintenanceInput) (any, error) {
	lasts, err := spell("Maintenance lasts", in.ForSeconds, usualMaintenance, longestMaintenance)
	if err != nil {
		return nil, err
	}
	if err := oneLineIsValid("reason", in.Reason, maxMaintenanceReason); err != nil {
		return nil, err
	}
	node, err := a.nodeOf(ctx, arn, in.NodeId)
	if err != nil {
		return nil, err
	}
	now := a.now()
	window := cluster.MaintenanceWindow{NodeID: node, Since: now, Until: now.Add(lasts), Reason: in.Reason}
	return a.changeHealing(ctx, arn, func(c *cluster.Cluster) error {
		c.Healing.Maintain(window)
		slog.InfoContext(ctx, "began maintenance",
			"cluster", c.ID, "node", node, "until", window.Until, "reason", in.Reason, "by", callOf(ctx).caller.name)
		return nil
	})
}

type endMaintenanceInput struct {
	NodeId *int32 // the whole cluster when it is left out
}

// endMaintenance ends the window of a cluster, or that of one of its nodes. Where there is none, nothing is left to be done;
// but a node that is kept by the cluster's is not let go by a call that says it is.
func (a *API) endMaintenance(ctx context.Context, arn string, in endMaintenanceInput) (any, error) {
	node, err := a.nodeOf(ctx, arn, in.NodeId)
	if err != nil {
		return nil, err
	}
	now := a.now()
	return a.changeHealing(ctx, arn, func(c *cluster.Cluster) error {
		ended := c.Healing.EndMaintenance(node, now)
		if kept, ok := c.Healing.MaintenanceOf(node, now); ok && node != 0 && !ended {
			return mskapi.BadRequest("nodeId", "Node %d has no maintenance of its own: that of the whole cluster keeps it until %s. "+
				"End that one, for all nodes, by a request without nodeId.", node, kept.Until.Format(time.RFC3339))
		}
		if ended {
			slog.InfoContext(ctx, "ended maintenance", "cluster", c.ID, "node", node, "by", callOf(ctx).caller.name)
		}
		return nil
	})
}

// nodeOf gives the node that a request is about, 0 for the whole cluster.
func (a *API) nodeOf(ctx context.Context, arn string, id *int32) (int32, error) {
	if id == nil {
		return 0, nil
	}
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return 0, err
	}
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return 0, err
	}
	if slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.ID == *id }) {
		return *id, nil
	}
	if len(nodes) == 0 {
		return 0, mskapi.NotFound("nodeId", "The cluster %s has no nodes yet.", c.Name)
	}
	var ids []string
	for _, n := range nodes {
		ids = append(ids, fmt.Sprint(n.ID))
	}
	return 0, mskapi.NotFound("nodeId", "The cluster %s has no node %d; its nodes are %s.", c.Name, *id, strings.Join(ids, ", "))
}

// spell reads for how long something is asked for.
func spell(what string, seconds *int64, usual, longest time.Duration) (time.Duration, error) {
	if seconds == nil {
		return usual, nil
	}
	if most := int64(longest / time.Second); *seconds < 1 || *seconds > most {
		return 0, mskapi.BadRequest("forSeconds", "%s 1 to %d seconds (%d hours), not %d.", what, most, int(longest.Hours()), *seconds)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// changeHealing changes what people have said about the healing of a cluster, and gives what follows. It touches neither the
// cluster's version nor what is under way, so it may be done at any time, also while another operation holds the cluster.
func (a *API) changeHealing(ctx context.Context, arn string, change func(*cluster.Cluster) error) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	c, err = a.Records.ChangeCluster(ctx, c.ID, func(c *cluster.Cluster) error {
		if state := c.State(); state == cluster.Deleting {
			return mskapi.BadRequest("clusterArn", "The cluster %s is %s: nothing of it is healed any more.", c.Name, state)
		}
		return change(c)
	})
	if fault.Is(err, fault.NotFound) { // deleted since it was found
		return nil, mskapi.NotFound("clusterArn", "The cluster %s does not exist.", arn)
	}
	if err != nil {
		return nil, err
	}
	return a.healthOf(ctx, c)
}
