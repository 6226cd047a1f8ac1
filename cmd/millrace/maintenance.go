package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
)

func (a *app) maintenanceCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "maintenance",
		Short: "Keep healing away while you work on a cluster or a node",
		Long: `While you work on a host, nothing should replace it under your hands. Maintenance keeps healing
away from one node, or from all of a cluster's, and ends by itself: after two hours, or what
--for says, 24 hours at most. Agents go on starting a Kafka again that ends, on its own host.`,
		Example: `  millrace maintenance on demo 2 --for 30m --reason "new disk"
  millrace maintenance on demo
  millrace maintenance off demo 2`,
	}, a.maintenanceOnCommand(), a.maintenanceOffCommand())
}

func (a *app) maintenanceOnCommand() *cobra.Command {
	lasts := span(2 * time.Hour)
	var why string
	c := &cobra.Command{
		Use:   "on CLUSTER [NODE]",
		Short: "Begin maintenance of a cluster, or of one of its nodes",
		Long: `Begins maintenance of a cluster or, with the id of a broker or a controller, of that node
alone. Said again, it makes maintenance longer or shorter. Nothing new is healed; a heal that has
only waited so far ends, one that has begun to act goes on. CLUSTER is its name or its ARN.`,
		Example: `  millrace maintenance on demo
  millrace maintenance on demo 2 --for 30m
  millrace maintenance on demo 1001 --for 1d --reason "new machine"`,
		Args: cobra.RangeArgs(1, 2),
	}
	c.Flags().Var(&lasts, "for", "how long it lasts, such as 45m, 2h or 1d")
	c.Flags().StringVar(&why, "reason", "", "what you do, for others to read")
	c.RunE = func(c *cobra.Command, args []string) error {
		node, err := nodeArgument(args)
		if err != nil {
			return err
		}
		if lasts == 0 {
			return usagef("--for is longer than no time at all; see: %s", a.hint("maintenance off"))
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			h, err := plane.BeginMaintenance(ctx, cluster.ARN, node, time.Duration(lasts), why)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(h, func(w io.Writer) error { return a.writeBegun(w, h, node) })
		})(c, args)
	}
	return c
}

// nodeArgument reads the id of the node that a command is about: 0, which no node has, when none is given.
func nodeArgument(args []string) (int32, error) {
	if len(args) < 2 {
		return 0, nil
	}
	id, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil || id < 1 {
		return 0, usagef("NODE is the id of a broker or a controller, such as 2 or 1001, not %q", args[1])
	}
	return int32(id), nil
}

func (a *app) writeBegun(w io.Writer, h client.Health, node int32) error {
	i := slices.IndexFunc(h.Maintenance, func(m client.Maintenance) bool { return m.NodeID == node })
	if i < 0 { // it was so short that it is over
		return a.writeHealth(w, h)
	}
	fmt.Fprintf(w, "Maintenance of %s, %s. Nothing new is healed there meanwhile.\n", h.Name, maintenanceText(h.Maintenance[i], h.Nodes))
	if h.Heal != nil && (node == 0 || node == h.Heal.NodeID) {
		fmt.Fprintf(w, "A heal that has begun to act goes on, one that only waits ends: %s.\n", healText(*h.Heal))
	}
	_, err := fmt.Fprintf(w, "It ends by itself; earlier by: %s\n", a.hint(offCommand(h.Name, node)))
	return err
}

func offCommand(name string, node int32) string {
	command := "maintenance off " + shellQuote(name)
	if node != 0 {
		command += " " + strconv.Itoa(int(node))
	}
	return command
}

func (a *app) maintenanceOffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "off CLUSTER [NODE]",
		Short: "End maintenance of a cluster, or of one of its nodes",
		Long: `Ends the maintenance that "on" has begun with the same arguments. That of the whole cluster and
those of single nodes are apart, because others may be at work: without NODE nodes with
maintenance of their own stay in it, and a node can't be taken out of that of the whole cluster.
CLUSTER is its name or its ARN.`,
		Example: `  millrace maintenance off demo
  millrace maintenance off demo 2`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			node, err := nodeArgument(args)
			if err != nil {
				return err
			}
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				if err := a.checkItsOwn(cluster, node); err != nil {
					return err
				}
				h, err := plane.EndMaintenance(ctx, cluster.ARN, node)
				if err != nil {
					return a.explain(plane, err)
				}
				return a.print(h, func(w io.Writer) error { return writeEnded(w, cluster, h, node) })
			})(c, args)
		},
	}
}

func maintenanceFor(windows []client.Maintenance, node int32) (m client.Maintenance, ok bool) {
	i := slices.IndexFunc(windows, func(m client.Maintenance) bool { return m.NodeID == node })
	if i < 0 {
		return m, false
	}
	return windows[i], true
}

// checkItsOwn refuses to end the maintenance of a node that has none but the whole cluster's. The control plane does so too,
// but does not know our commands.
func (a *app) checkItsOwn(c client.Cluster, node int32) error {
	if _, own := maintenanceFor(c.Maintenance, node); own || node == 0 {
		return nil
	}
	whole, ok := maintenanceFor(c.Maintenance, 0)
	if !ok {
		return nil
	}
	return fmt.Errorf("%s has no maintenance of its own; that of the whole cluster keeps healing away from it until %s; end that, for all nodes, with: %s",
		nodeName(node, c.Nodes), formatTime(whole.Until), a.hint(offCommand(c.Name, 0)))
}

// writeEnded says what has ended, and what goes on.
func writeEnded(w io.Writer, before client.Cluster, h client.Health, node int32) error {
	name := nodeName(node, h.Nodes)
	if _, was := maintenanceFor(before.Maintenance, node); was {
		fmt.Fprintf(w, "Ended maintenance of %s, %s.\n", h.Name, name)
	} else {
		fmt.Fprintf(w, "%s, %s: there was no maintenance.\n", h.Name, name)
	}
	var left []string
	for _, m := range h.Maintenance {
		left = append(left, maintenanceText(m, h.Nodes))
	}
	if len(left) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "Maintenance goes on for: %s\n", strings.Join(left, "; "))
	return err
}
