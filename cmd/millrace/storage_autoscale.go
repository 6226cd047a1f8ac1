package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) autoscaleStorageCommand() *cobra.Command {
	var rule cluster.StorageAutoscaling
	var off bool
	c := &cobra.Command{
		Use:   "autoscale CLUSTER --target PERCENT --max GIB",
		Short: "Let volumes grow by themselves, before they are full",
		Long: `Lets the volumes of a cluster grow by themselves: as soon as the fullest broker uses as much of its
volume as --target says, the volumes of all brokers grow by a tenth, by 10 GiB at least, and so far
that no broker is above the target any more; twice as far with every growth of the last six hours,
in which a volume may take no second change on AWS. None gets larger than --max, and none ever gets
smaller again, also not with --off. Once they have --max, they fill on, and "millrace health" says
so.

It is the same rule that Application Auto Scaling puts by RegisterScalableTarget and
PutScalingPolicy; the last one who says something holds. CLUSTER is its name or its ARN.`,
		Example: `  millrace storage autoscale demo --target 60 --max 500
  millrace storage autoscale demo --off`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().IntVar(&rule.TargetPercent, "target", 0, "how full the fullest broker may get, in percent: 10 to 80")
	c.Flags().IntVar(&rule.MaxGiB, "max", 0, "how large volumes may get, in GiB: up to 16384")
	c.Flags().BoolVar(&off, "off", false, "let volumes grow by themselves no more")
	c.RunE = func(c *cobra.Command, args []string) error {
		target, most := c.Flags().Changed("target"), c.Flags().Changed("max")
		if off && (target || most) {
			return usagef("--off and a rule say two things; give one of them")
		}
		if !off && (!target || !most) {
			return usagef("give --target and --max, such as --target 60 --max 500, or --off")
		}
		if target && (rule.TargetPercent < cluster.LeastTargetPercent || rule.TargetPercent > cluster.MostTargetPercent) {
			return usagef("--target is %d to %d, not %d", cluster.LeastTargetPercent, cluster.MostTargetPercent, rule.TargetPercent)
		}
		if most && (rule.MaxGiB < 1 || rule.MaxGiB > cluster.MostVolumeGiB) {
			return usagef("--max is up to %d GiB, not %d", cluster.MostVolumeGiB, rule.MaxGiB)
		}
		wanted := &rule
		if off {
			wanted = nil
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			storage, err := plane.AutoscaleStorage(ctx, cluster.ARN, wanted)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(storage, func(w io.Writer) error { return writeStorage(w, storage) })
		})(c, args)
	}
	return c
}
