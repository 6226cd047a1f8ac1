package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
)

func (a *app) deleteTopicCommand() *cobra.Command {
	var confirmed string
	c := &cobra.Command{
		Use:   "delete CLUSTER TOPIC",
		Short: "Delete a topic with all of its records",
		Long: `Deletes a topic with all of its records, as "aws kafka delete-topic" does. It asks for the topic's
name before it does; where nobody can be asked, --confirm gives the name again. A topic that is
declared as protected is not deleted. CLUSTER is its name or its ARN.`,
		Example: `  millrace topics delete demo scratch
  millrace topics delete demo scratch --confirm scratch`,
		Args: oneTopic,
	}
	c.Flags().StringVar(&confirmed, "confirm", "", "the name of the topic, instead of being asked for it")
	c.RunE = func(c *cobra.Command, args []string) error {
		topic := args[1]
		asked := !c.Flags().Changed("confirm")
		if !asked && confirmed != topic {
			return usagef("--confirm names %q and not the topic, %s", confirmed, topic)
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			if asked {
				if err := a.confirmDelete(ctx, plane, cluster, topic); err != nil {
					return err
				}
			}
			answer, err := plane.DeleteTopic(ctx, cluster.ARN, topic)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(answer.Body, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Deleted the topic %s of %s.\n", topic, cluster.Name)
				return err
			})
		})(c, args)
	}
	return c
}

// confirmDelete says what would be lost, and asks for the name of the topic.
func (a *app) confirmDelete(ctx context.Context, plane connection, cluster client.Cluster, name string) error {
	topic, err := plane.Topic(ctx, cluster.ARN, name)
	if err != nil {
		return a.explain(plane, err)
	}
	what := fmt.Sprintf("This deletes the topic %s of %s, %s with all records.", name, cluster.Name, counted(topic.Partitions, "partition"))
	if topic.Declared {
		what += " It is declared, so the next application of that creates it again, without them."
	}
	typed, err := a.askFor(what, name)
	if err == nil && !typed {
		err = errors.New("nothing was deleted; type the topic's name, or give it by --confirm, to delete it")
	}
	return err
}
