package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) healCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "heal",
		Short: "Show what was healed, and say what may be",
		Long: `Clusters heal themselves; nothing has to be started by hand. These commands show what was
healed, and say what may be done without asking you. "millrace health" shows how the nodes fare
now, "millrace maintenance" keeps healing away.`,
		Example: `  millrace heal history demo
  millrace heal allow demo --for 1h
  millrace heal limit demo --max-volume 500`,
	}, a.healHistoryCommand(), a.healAllowCommand(), a.healLimitCommand())
}

func (a *app) healHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history CLUSTER",
		Short: "List what was healed of a cluster, the newest first",
		Long: `Lists what was healed of a cluster, the newest first: which node, what was the matter, what was
done about it and how that went. Each line is an operation of the cluster as well, of the type
HEAL_BROKER. CLUSTER is its name or its ARN.`,
		Example: `  millrace heal history demo
  millrace heal history demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			heals, err := plane.Heals(ctx, cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(heals, func(w io.Writer) error { return writeHeals(w, cluster.Name, heals) })
		}),
	}
}

func writeHeals(w io.Writer, name string, heals []client.Heal) error {
	if len(heals) == 0 {
		_, err := fmt.Fprintf(w, "Nothing of %s has been healed so far.\n", name)
		return err
	}
	var rows [][]string
	for _, h := range heals {
		took := ""
		if h.Operation.EndedAt != nil {
			took = spoken(h.Operation.EndedAt.Sub(h.Operation.StartedAt))
		}
		rows = append(rows, []string{
			formatTime(h.Operation.StartedAt), h.String(), string(h.Condition), string(h.Remedy), outcome(h), took, h.Reason,
		})
	}
	return table(w, []string{"STARTED", "NODE", "CONDITION", "REMEDY", "OUTCOME", "TOOK", "REASON"}, rows)
}

// outcome says how a heal went or, while it is under way, how far it is.
func outcome(h client.Heal) string {
	op := h.Operation
	switch op.State {
	case cluster.Complete:
		return "healed"
	case cluster.OperationFailed:
		return "failed: " + failureText(op.Failure)
	case cluster.Pending, cluster.InProgress:
	}
	text := percent(op.Percent)
	if step, ok := op.CurrentStep(); ok {
		text += ", " + step.Name
	}
	return text
}

func (a *app) healAllowCommand() *cobra.Command {
	lasts := span(time.Hour)
	var end bool
	c := &cobra.Command{
		Use:   "allow CLUSTER",
		Short: "Let a cluster be healed although the circuit breaker is open",
		Long: `Lets a cluster be healed for a while whatever the circuit breaker says. The breaker opens when
more than one node of a cluster is sick, or when several clusters are: that may be an outage of
the network or of the control plane, in which replacing hosts would do harm. So look first, at
"millrace health". An allowance ends by itself, after an hour or what --for says, 24 hours at
most; --end takes it back. CLUSTER is its name or its ARN.`,
		Example: `  millrace heal allow demo
  millrace heal allow demo --for 30m
  millrace heal allow demo --end`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().Var(&lasts, "for", "how long it is allowed, such as 30m or 2h")
	c.Flags().BoolVar(&end, "end", false, "take the allowance back")
	c.RunE = func(c *cobra.Command, args []string) error {
		if end && c.Flags().Changed("for") {
			return usagef("--end and --for say two things; give one of them")
		}
		if lasts == 0 {
			return usagef("--for is longer than no time at all; --end takes an allowance back")
		}
		if end {
			lasts = 0
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			h, err := plane.AllowHealing(ctx, cluster.ARN, time.Duration(lasts))
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(h, func(w io.Writer) error { return a.writeHealth(w, h) })
		})(c, args)
	}
	return c
}

func (a *app) healLimitCommand() *cobra.Command {
	var most int
	c := &cobra.Command{
		Use:   "limit CLUSTER --max-volume GIB",
		Short: "Say up to which size a full log volume is grown",
		Long: `Says up to which size, in GiB, the log volume of a broker is grown when it is full. Nobody is
asked then, and a volume never gets smaller again; so without a limit, and with 0, none is grown,
and a broker whose volume is full waits for you. CLUSTER is its name or its ARN.

On one machine a volume takes the room of your disk only as it fills.`,
		Example: `  millrace heal limit demo --max-volume 500
  millrace heal limit demo --max-volume 0`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().IntVar(&most, "max-volume", 0, "the size in GiB; 0 for no growth")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !c.Flags().Changed("max-volume") {
			return usagef("--max-volume is missing: the size in GiB up to which a full volume is grown, or 0")
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			h, err := plane.LimitHealing(ctx, cluster.ARN, most)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(h, func(w io.Writer) error { return a.writeHealth(w, h) })
		})(c, args)
	}
	return c
}
