package api

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/cluster"
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
// goes on: a host that is half replaced is in nobody's way but the cluster's. A heal that has only waited until now ends.
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
