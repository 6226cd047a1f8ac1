package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) createTopicCommand() *cobra.Command {
	var spec cluster.TopicSpec
	var configs []string
	c := &cobra.Command{
		Use:   "create CLUSTER TOPIC --partitions N",
		Short: "Create a topic that no document declares",
		Long: `Creates a topic, as "aws kafka create-topic" does. What is not set by --config is inherited from the
cluster. CLUSTER is its name or its ARN.`,
		Example: `  millrace topics create demo orders --partitions 12
  millrace topics create demo audit --partitions 6 --config retention.ms=-1 --config cleanup.policy=compact,delete
  millrace topics create demo scratch --partitions 1 --replication-factor 1`,
		Args: oneTopic,
	}
	c.Flags().IntVar(&spec.Partitions, "partitions", 0, "how many partitions it has")
	c.Flags().IntVar(&spec.ReplicationFactor, "replication-factor", 3, "how many brokers keep each of them")
	c.Flags().StringArrayVar(&configs, "config", nil, "a property of the topic, as name=value; may be given again")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !c.Flags().Changed("partitions") {
			return usagef("--partitions is missing: how many partitions the topic has")
		}
		var err error
		if spec.Configs, err = readConfigs(configs); err != nil {
			return err
		}
		spec.Name = args[1]
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			answer, err := plane.CreateTopic(ctx, cluster.ARN, spec)
			if err != nil {
				return a.explain(plane, err)
			}
			if err := a.print(answer.Body, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Created the topic %s of %s with %s, %s.\n",
					spec.Name, cluster.Name, counted(spec.Partitions, "partition"), counted(spec.ReplicationFactor, "replica"))
				return err
			}); err != nil {
				return err
			}
			for _, warning := range answer.Warnings {
				fmt.Fprintln(a.err, "warning:", oneLine(warning))
			}
			return nil
		})(c, args)
	}
	return c
}

// readConfigs reads properties as they are given on a command line.
func readConfigs(given []string) (map[string]string, error) {
	configs := map[string]string{}
	for _, config := range given {
		name, value, ok := strings.Cut(config, "=")
		if !ok || name == "" {
			return nil, usagef("--config is name=value, such as retention.ms=604800000, not %q", config)
		}
		if _, again := configs[name]; again {
			return nil, usagef("--config gives %s twice", name)
		}
		configs[name] = value
	}
	return configs, nil
}
