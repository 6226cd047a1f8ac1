package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

const (
	// usualAllowance is how long healing is allowed, whatever the circuit breaker says, when nobody says.
	usualAllowance   = time.Hour
	longestAllowance = 24 * time.Hour
)

type healAllowanceInput struct {
	ForSeconds *int64 // an hour when it is left out; 0 takes an allowance back
}

// allowHealing lets a cluster be healed for a while although the circuit breaker is open, because a person has looked.
func (a *API) allowHealing(ctx context.Context, arn string, in healAllowanceInput) (any, error) {
	var lasts time.Duration
	if in.ForSeconds == nil || *in.ForSeconds != 0 {
		var err error
		if lasts, err = spell("An allowance lasts", in.ForSeconds, usualAllowance, longestAllowance); err != nil {
			return nil, err
		}
	}
	now := a.now()
	return a.changeHealing(ctx, arn, func(c *cluster.Cluster) error {
		by := callOf(ctx).caller.name
		if lasts == 0 {
			c.Healing.AllowedUntil = time.Time{}
			slog.InfoContext(ctx, "took back the allowance to heal", "cluster", c.ID, "by", by)
			return nil
		}
		c.Healing.AllowedUntil = now.Add(lasts)
		slog.InfoContext(ctx, "allowed healing", "cluster", c.ID, "until", c.Healing.AllowedUntil, "by", by)
		return nil
	})
}

type healingInput struct {
	MaxVolumeGiB *int // 0: no volume is grown
}

// limitHealing says up to which size full log volumes of a cluster are grown.
func (a *API) limitHealing(ctx context.Context, arn string, in healingInput) (any, error) {
	most := in.MaxVolumeGiB
	if most == nil {
		return nil, mskapi.BadRequest("maxVolumeGiB", "The size is missing up to which a full volume is grown, in GiB; 0 means that none is.")
	}
	return a.changeHealing(ctx, arn, func(c *cluster.Cluster) error {
		if size := c.Spec.VolumeGiB; *most != 0 && *most <= size || *most > cluster.MostVolumeGiB {
			return mskapi.BadRequest("maxVolumeGiB", "Volumes of %s have %d GiB: they can be let grow up to %d to %d GiB, or not at all by 0, not up to %d.",
				c.Name, size, size+1, cluster.MostVolumeGiB, *most)
		}
		c.Healing.MaxVolumeGiB = *most
		slog.InfoContext(ctx, "limited the growth of volumes", "cluster", c.ID, "gib", *most, "by", callOf(ctx).caller.name)
		return nil
	})
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
