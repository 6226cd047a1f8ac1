package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/awsfacts"
	"github.com/millrace/millrace/shared/bill"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) costCommand() *cobra.Command {
	var from string
	wish := bill.Cluster{}
	c := &cobra.Command{
		Use:   "cost",
		Short: "Compute what a cluster costs a month on AWS, and at MSK",
		Long: `Computes what a cluster costs a month in your own account, line by line: its hosts, volumes
and traffic, what Millrace itself adds, and what MSK asks for the same brokers; and says
when MSK is the cheaper one. Prices are list prices of ` + awsfacts.Region + `, without any discount.

It asks nobody, unless --from names a cluster of a control plane: then its brokers, volumes
and controllers are those. Tiers of AWS that are always free count for the whole account,
so they are shown beside the list price and are not taken off it.`,
		Example: `  millrace cost
  millrace cost --brokers 3 --type kafka.m7g.xlarge --volume 500
  millrace cost --traffic-mb-s 2 --consumers 3
  millrace cost --from demo --traffic-mb-s 0.5
  millrace cost --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if from != "" {
				for _, flag := range []string{"brokers", "type", "volume", "controllers", "zones"} {
					if c.Flag(flag).Changed {
						return usagef("--%s is what the cluster of --from has; give one of the two", flag)
					}
				}
				if err := a.costOf(c.Context(), from, &wish); err != nil {
					return err
				}
			}
			if !c.Flag("replicas").Changed {
				wish.Replicas = min(3, wish.Brokers)
			}
			switch problem := wish.Problem(); {
			case problem != "" && from != "":
				return fmt.Errorf("cluster %s: %s", from, problem)
			case problem != "":
				return usagef("%s", problem)
			}
			comparison := bill.Compare(wish)
			return a.print(comparison, func(w io.Writer) error { return writeCost(w, comparison) })
		},
	}
	flags := c.Flags()
	flags.IntVar(&wish.Brokers, "brokers", 3, "number of brokers")
	flags.StringVar(&wish.InstanceType, "type", "kafka.m7g.large", "type of the brokers, by MSK's name")
	flags.IntVar(&wish.VolumeGiB, "volume", 100, "GiB of each broker's log volume")
	flags.IntVar(&wish.Controllers, "controllers", 3, "number of controllers: 1, 3 or 5, or 0 to leave them out; MSK's are in its price")
	flags.IntVar(&wish.Zones, "zones", 3, "availability zones that brokers and clients are spread over")
	flags.Float64Var(&wish.WrittenMBs, "traffic-mb-s", 0, "MB/s that producers write, all together and as compressed")
	flags.IntVar(&wish.Consumers, "consumers", 1, "groups of consumers that read all of it")
	flags.IntVar(&wish.Replicas, "replicas", 3, "replicas of each record, or as many as there are brokers")
	flags.StringVar(&from, "from", "", "a cluster of the control plane, by name or ARN, to compute the cost of")
	return c
}

// costOf takes a cluster as it is.
func (a *app) costOf(ctx context.Context, nameOrARN string, wish *bill.Cluster) error {
	plane, err := a.connect(ctx)
	if err != nil {
		return err
	}
	found, err := a.cluster(ctx, plane, nameOrARN)
	if err != nil {
		return err
	}
	if len(found.Nodes) == 0 {
		return fmt.Errorf("cluster %s has no nodes yet", found.Name)
	}
	takeShape(found, wish)
	return nil
}

// takeShape makes the wish what a cluster is.
func takeShape(found client.Cluster, wish *bill.Cluster) {
	wish.InstanceType, wish.VolumeGiB, wish.PlainInside = found.InstanceType, found.VolumeGiB, !found.InCluster
	wish.Brokers, wish.Controllers = 0, 0
	zones := map[string]bool{}
	for _, n := range found.Nodes {
		if n.Role == cluster.Controller {
			wish.Controllers++
			continue
		}
		wish.Brokers++
		zones[n.Zone] = true
	}
	wish.Zones = len(zones)
}

func writeCost(w io.Writer, c bill.Comparison) error {
	sheets := []bill.Sheet{c.Own, c.MSK, c.Idle, c.Metrics, c.Plane, c.Watching}
	for _, s := range sheets {
		if err := writeSheet(w, s); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "%s\n", c.Verdict)
	return err
}

// writeSheet writes the lines of a sheet, and their sum.
func writeSheet(w io.Writer, s bill.Sheet) error {
	var rows [][]string
	for _, l := range s.Lines {
		rows = append(rows, []string{l.Name, amount(l.Quantity) + " " + l.Unit, dollars(l.USD), free(l.Free), l.Why})
	}
	rows = append(rows, []string{"Total", "", dollars(s.USD()), free(s.Free()), ""})
	return table(w, []string{s.Title, "QUANTITY", "A MONTH", "FREE TIER", "WHY"}, rows)
}

// amount writes a quantity with up to three decimals.
func amount(quantity float64) string {
	return strconv.FormatFloat(math.Round(quantity*1000)/1000, 'f', -1, 64)
}

func dollars(usd float64) string { return fmt.Sprintf("$%.2f", usd) }

// free is what a free tier takes off, where it is at least a cent.
func free(usd float64) string {
	if usd < 0.005 {
		return ""
	}
	return "-" + dollars(usd)
}
