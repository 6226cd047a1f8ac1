package main

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
)

func (a *app) clustersCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "clusters",
		Short: "List, describe and resume clusters",
		Example: `  millrace clusters list
  millrace clusters describe demo
  millrace clusters resume demo`,
	}, a.listClustersCommand(), a.describeClusterCommand(), a.resumeClusterCommand())
}

func (a *app) listClustersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all clusters by name",
		Example: `  millrace clusters list
  millrace clusters list --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			clusters, err := plane.Clusters(c.Context())
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(clusters, func(w io.Writer) error { return writeClusterList(w, clusters) })
		},
	}
}

func (a *app) describeClusterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe CLUSTER",
		Short: "Describe one cluster with its nodes and the steps of its last operation",
		Long: `Describes one cluster, its nodes, and the operation that holds it or was the last, step by
step. CLUSTER is its name or its ARN.`,
		Example: `  millrace clusters describe demo
  millrace clusters describe demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			return a.print(cluster, func(w io.Writer) error { return writeCluster(w, cluster) })
		}),
	}
}

func (a *app) resumeClusterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume CLUSTER",
		Short: "Start the failed create of a cluster again",
		Long: `Starts the failed create of a cluster again. It goes on from what is already there, so mend
the cause first; "millrace clusters describe" names it. CLUSTER is its name or its ARN.`,
		Example: `  millrace clusters resume demo && millrace status --watch`,
		Args:    cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			resumed, err := plane.Resume(ctx, cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(resumed, func(w io.Writer) error { return writeCluster(w, resumed) })
		}),
	}
}

func writeClusterList(w io.Writer, clusters []client.Cluster) error {
	var rows [][]string
	for _, c := range clusters {
		rows = append(rows, []string{c.Name, string(c.State), c.KafkaVersion, formatTime(c.CreatedAt), c.ARN})
	}
	return table(w, []string{"CLUSTER", "STATE", "KAFKA", "CREATED", "ARN"}, rows)
}

// writeCluster writes everything that is known of one cluster.
func writeCluster(w io.Writer, c client.Cluster) error {
	pairs := [][2]string{
		{"Cluster", c.Name},
		{"ARN", c.ARN},
		{"State", string(c.State)},
		{"Failure", failureText(c.Failure)},
		{"Kafka", c.KafkaVersion},
		{"Version", c.Version},
		{"Created", formatTime(c.CreatedAt)},
	}
	if op := c.Operation; op != nil {
		pairs = append(pairs,
			[2]string{"Operation", string(op.Type) + " " + string(op.State) + ", " + percent(op.Percent) + attempts(op.Attempt)},
			[2]string{"Operation id", op.ID},
		)
	}
	if err := facts(w, pairs...); err != nil {
		return err
	}
	if c.Operation != nil && len(c.Operation.Steps) > 0 {
		if err := writeSteps(w, *c.Operation); err != nil {
			return err
		}
	}
	if err := writeNodes(w, []client.Cluster{c}); err != nil {
		return err
	}
	return writeLines(w, notes(c))
}

func writeSteps(w io.Writer, op client.Operation) error {
	var rows [][]string
	for _, s := range op.Steps {
		rows = append(rows, []string{s.Name, string(s.Status), percent(s.Percent), s.Detail})
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return table(w, []string{"STEP", "STATUS", "DONE", "DETAIL"}, rows)
}

// writeNodes writes the nodes of clusters that have any, after an empty line.
func writeNodes(w io.Writer, clusters []client.Cluster) error {
	var rows [][]string
	for _, c := range clusters {
		for _, n := range c.Nodes {
			rows = append(rows, []string{c.Name, strconv.Itoa(int(n.ID)), string(n.Role), n.Zone, n.Address, n.State, condition(n), reason(n)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return table(w, []string{"CLUSTER", "NODE", "ROLE", "ZONE", "ADDRESS", "STATE", "HEALTH", "REASON"}, rows)
}

func failureText(f *client.Failure) string {
	if f == nil {
		return ""
	}
	return f.Code + ": " + f.Message
}

func percent(n int) string { return strconv.Itoa(n) + "%" }

func attempts(n int) string {
	if n <= 1 {
		return ""
	}
	return ", attempt " + strconv.Itoa(n)
}

func formatTime(t time.Time) string { return t.Local().Format(time.DateTime) }

// onCluster runs a command on the cluster that its one argument names.
func (a *app) onCluster(
	do func(ctx context.Context, plane connection, cluster client.Cluster) error,
) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		plane, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		cluster, err := a.cluster(c.Context(), plane, args[0])
		if err != nil {
			return err
		}
		return do(c.Context(), plane, cluster)
	}
}
