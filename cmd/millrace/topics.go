package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) topicsCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "topics",
		Short: "Declare, list, describe, create and delete topics",
		Long: `Topics are made and changed by whatever speaks Kafka or the API of MSK, and by these commands.

They can be declared as well: a document says which topics there should be, "plan" shows what
is to be done for it, and "apply" does that. Nothing is ever deleted, and no records are thrown
away, without being told so by name. From then on topics that differ from what is declared are
found within ten minutes, and shown.

  topics:
    - name: orders
      partitions: 12
      replicationFactor: 3
      configs:
        retention.ms: 604800000
        cleanup.policy: [compact, delete]
      owner: team-orders       # whom to ask, for others to read
      protected: true          # nobody deletes it before it is declared otherwise

A document is YAML or JSON. What is not set by configs is inherited from the cluster. Topics of
a cluster that no document has ever declared are left alone.`,
		Example: `  millrace topics plan -f topics.yaml demo
  millrace topics apply -f topics.yaml demo
  millrace topics list demo
  millrace topics describe demo orders
  millrace topics export demo > topics.yaml`,
	}, a.planTopicsCommand(), a.applyTopicsCommand(), a.listTopicsCommand(), a.describeTopicCommand(), a.createTopicCommand(),
		a.deleteTopicCommand(), a.exportTopicsCommand())
}

func (a *app) listTopicsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list CLUSTER",
		Short: "List the topics of a cluster, and how they differ from what is declared",
		Long: `Lists the topics of a cluster by name, without Kafka's own: how many partitions and replicas they
have and how many of these are not in sync, whether they are declared, whose they are, and how
they were last seen to differ from what is declared. CLUSTER is its name or its ARN.`,
		Example: `  millrace topics list demo
  millrace topics list demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			topics, err := plane.Topics(ctx, cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(topics, func(w io.Writer) error { return a.writeTopics(w, cluster.Name, topics) })
		}),
	}
}

// writeTopics writes what holds for all topics of a cluster, a line for each, and what people may not expect of them.
func (a *app) writeTopics(w io.Writer, name string, topics client.Topics) error {
	if err := facts(w, a.topicsFacts(name, topics)...); err != nil {
		return err
	}
	if len(topics.Topics) == 0 {
		_, err := fmt.Fprint(w, "\nThere are no topics yet.\n")
		return err
	}
	var rows [][]string
	var lines []string
	for _, t := range topics.Topics {
		rows = append(rows, []string{
			t.Name, strconv.Itoa(t.Partitions), strconv.Itoa(t.ReplicationFactor), strconv.Itoa(t.OutOfSync), declaredText(t), t.Owner, t.Drift,
		})
		for _, warning := range t.Warnings {
			lines = append(lines, "warning: "+t.Name+": "+oneLine(warning))
		}
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"TOPIC", "PARTITIONS", "REPLICAS", "OUT-OF-SYNC", "DECLARED", "OWNER", "DRIFT"}, rows); err != nil {
		return err
	}
	return writeLines(w, lines)
}

func (a *app) topicsFacts(name string, topics client.Topics) [][2]string {
	pairs := [][2]string{{"Cluster", name}, {"Declaration", "none"}}
	if d := topics.Declaration; d != nil {
		pairs[1][1] = fmt.Sprintf("%s, of %s", counted(d.Topics, "topic"), formatTime(d.At))
		if d.By != "" {
			pairs[1][1] += ", by " + d.By
		}
	}
	if op := topics.Applying; op != nil {
		pairs = append(pairs, [2]string{"Applying", applyingText(*op) + "; follow it with: " + a.hint("topics apply "+shellQuote(name))})
	}
	if d := topics.Drift; d != nil {
		pairs = append(pairs, [2]string{"Drift", driftText(*d)})
	}
	return pairs
}

// driftText says how many topics were last seen to differ from what is declared.
func driftText(d cluster.TopicDrift) string {
	if d.Count == 0 {
		return "none, as of " + formatTime(d.At)
	}
	differ := "differs"
	if d.Count > 1 {
		differ = "differ"
	}
	return fmt.Sprintf("%s %s from what is declared, since %s", counted(d.Count, "topic"), differ, formatTime(d.Since))
}

func declaredText(t client.Topic) string {
	switch {
	case t.Protected:
		return "protected"
	case t.Declared:
		return "yes"
	default:
		return "no"
	}
}

// applyingText says how far an application of a declaration is, and what it does.
func applyingText(op client.Operation) string {
	text := percent(op.Percent)
	if step, ok := op.CurrentStep(); ok {
		text += ", " + step.Name
		if step.Detail != "" {
			text += ": " + step.Detail
		}
	}
	return text
}

// counted says how many there are of something whose plural has an s.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func (a *app) describeTopicCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe CLUSTER TOPIC",
		Short: "Describe one topic with its configuration and its partitions",
		Long: `Describes one topic: what is set on it and what it inherits from the cluster, where the replicas of
its partitions are, and what is declared of it. CLUSTER is its name or its ARN.`,
		Example: `  millrace topics describe demo orders
  millrace topics describe demo orders --output json`,
		Args: oneTopic,
		RunE: func(c *cobra.Command, args []string) error {
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				topic, err := plane.Topic(ctx, cluster.ARN, args[1])
				if err != nil {
					return a.explain(plane, err)
				}
				return a.print(topic, func(w io.Writer) error { return writeTopic(w, topic) })
			})(c, args)
		},
	}
}

// oneTopic takes a cluster and a topic of it. A variable of a shell that is not set would otherwise ask for all topics.
func oneTopic(c *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(2)(c, args); err != nil {
		return err
	}
	if args[1] == "" {
		return usagef("the topic to %s is empty", c.Name())
	}
	return nil
}

func writeTopic(w io.Writer, t client.TopicDetail) error {
	if err := facts(w,
		[2]string{"Topic", t.Name},
		[2]string{"Partitions", strconv.Itoa(t.Partitions)},
		[2]string{"Replicas", fmt.Sprintf("%d of each, %d not in sync", t.ReplicationFactor, t.OutOfSync)},
		[2]string{"Declared", declaredText(t.Topic)},
		[2]string{"Owner", t.Owner},
		[2]string{"Drift", t.Drift},
	); err != nil {
		return err
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(t.Configs)) {
		rows = append(rows, []string{name, t.Configs[name], "topic"})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Inherited)) {
		if _, set := t.Configs[name]; !set {
			rows = append(rows, []string{name, t.Inherited[name], "inherited"})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := table(w, []string{"PROPERTY", "VALUE", "FROM"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, p := range t.PartitionList {
		leader := "none"
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		rows = append(rows, []string{strconv.Itoa(int(p.ID)), leader, brokerIDs(p.Replicas), brokerIDs(p.InSync)})
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"PARTITION", "LEADER", "REPLICAS", "IN-SYNC"}, rows); err != nil {
		return err
	}
	var lines []string
	for _, warning := range t.Warnings {
		lines = append(lines, "warning: "+oneLine(warning))
	}
	return writeLines(w, lines)
}

func brokerIDs(ids []int32) string {
	var words []string
	for _, id := range ids {
		words = append(words, strconv.Itoa(int(id)))
	}
	return strings.Join(words, ",")
}
