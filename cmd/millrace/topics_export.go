package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/cmd/millrace/internal/topicfile"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) exportTopicsCommand() *cobra.Command {
	var asDeclared bool
	c := &cobra.Command{
		Use:   "export CLUSTER [TOPIC...]",
		Short: "Write a document of the topics that there are, or of those that are declared",
		Long: `Writes a document that declares the topics of a cluster, or those that are named, as they are now:
with what is set on them, and without what they inherit. Owner and protection are those that
are declared. Applied to the cluster, the document changes nothing. It is YAML, and JSON with
--output json. CLUSTER is its name or its ARN.

With --declared it is what was applied last, whatever the topics are like by now.`,
		Example: `  millrace topics export demo > topics.yaml
  millrace topics export demo orders payments
  millrace topics export demo --output json
  millrace topics export demo --declared`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				which := existing
				if asDeclared {
					which = lastDeclared
				}
				topics, err := which(ctx, plane, cluster, args[1:])
				if err != nil {
					return a.explain(plane, err)
				}
				return a.print(topicfile.Document{Topics: topics}, func(w io.Writer) error { return topicfile.Write(w, topics) })
			})(c, args)
		},
	}
	c.Flags().BoolVar(&asDeclared, "declared", false, "what was applied last, and not what there is")
	return c
}

// lastDeclared gives the topics of a cluster as they were declared last: those that are named, or all.
func lastDeclared(ctx context.Context, plane connection, c client.Cluster, names []string) ([]cluster.DeclaredTopic, error) {
	d, err := plane.Declaration(ctx, c.ARN)
	if err != nil || len(names) == 0 {
		return d.Topics, err
	}
	topics := []cluster.DeclaredTopic{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		i := slices.IndexFunc(d.Topics, func(t cluster.DeclaredTopic) bool { return t.Name == name })
		if i < 0 {
			return nil, &client.Error{Type: "NotFoundException", Message: fmt.Sprintf("The topic %s of %s is not declared.", name, c.Name)}
		}
		topics = append(topics, d.Topics[i])
	}
	return topics, nil
}

// existing declares topics as they are, by name: those that are named, or all.
func existing(ctx context.Context, plane connection, c client.Cluster, names []string) ([]cluster.DeclaredTopic, error) {
	all := len(names) == 0
	if all {
		topics, err := plane.Topics(ctx, c.ARN)
		if err != nil {
			return nil, err
		}
		for _, t := range topics.Topics {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	topics, err := describeAll(ctx, plane, c, names, all)
	if err != nil {
		return nil, err
	}
	declared := []cluster.DeclaredTopic{}
	for _, t := range topics {
		if t == nil {
			continue
		}
		declared = append(declared, cluster.DeclaredTopic{
			TopicSpec: cluster.TopicSpec{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor, Configs: t.Configs},
			Owner:     t.Owner, Protected: t.Protected,
		})
	}
	return declared, nil
}

// describeAll describes topics, a few at a time. One that is gone is nil where nobody has named it.
func describeAll(ctx context.Context, plane connection, c client.Cluster, names []string, mayBeGone bool) ([]*client.TopicDetail, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	const atOnce = 8
	free := make(chan struct{}, atOnce)
	topics := make([]*client.TopicDetail, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			topic, err := plane.Topic(ctx, c.ARN, name)
			var said *client.Error
			switch {
			case err == nil:
				topics[i] = &topic
			case mayBeGone && errors.As(err, &said) && said.Type == "NotFoundException":
			default:
				cancel(fmt.Errorf("describe %s: %w", name, err))
			}
		})
		if ctx.Err() != nil {
			break
		}
	}
	all.Wait()
	return topics, context.Cause(ctx)
}
