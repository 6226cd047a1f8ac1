package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/cmd/millrace/internal/topicfile"
	"github.com/millrace/millrace/shared/cluster"
)

// declared is how a user says which topics there should be, and what may be lost for it.
type declared struct {
	files   []string
	permits cluster.TopicPermits
}

func (d *declared) flags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&d.files, "file", "f", nil, "a document, a directory of them, or - for standard input; may be given again")
	c.Flags().StringArrayVar(&d.permits.Delete, "delete", nil, "a topic that is no longer declared, to be deleted with its records; may be given again")
	c.Flags().StringArrayVar(&d.permits.Discard, "discard", nil,
		"a topic of which records may be thrown away, by a shorter retention for instance; may be given again")
}

// read reads the documents.
func (d *declared) read(a *app) ([]cluster.DeclaredTopic, error) {
	if len(d.files) == 0 {
		return nil, usagef("-f is missing: the document that declares topics, or - for standard input")
	}
	return topicfile.Load(a.in, d.files)
}

func (a *app) planTopicsCommand() *cobra.Command {
	var d declared
	var tell bool
	c := &cobra.Command{
		Use:   "plan -f FILE CLUSTER",
		Short: "Show what applying a document of topics would do",
		Long: `Shows what "apply" would do with the same document, and does nothing. Kafka is asked about each
change whether it would take it. CLUSTER is its name or its ARN.

  + create     a topic that is not there
  ~ grow       more partitions; there are never fewer
  ~ configure  properties that are set, changed, or inherited again
  - delete     a topic that is no longer declared, named by --delete
  = release    a topic that is no longer declared; it stays as it is
  ! …          what can't be done, and what to do instead; then nothing of the plan is done

With --exit-code the exit code is 2 when there is something to be done, and 0 when there is
nothing; it is 1 when something can't be done.`,
		Example: `  millrace topics plan -f topics.yaml demo
  millrace topics plan -f topics/ demo --exit-code
  millrace topics plan -f topics.yaml demo --delete old-orders --discard audit
  cat topics.yaml | millrace topics plan -f - demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			topics, err := d.read(a)
			if err != nil {
				return err
			}
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				plan, err := plane.PlanTopics(ctx, cluster.ARN, topics, d.permits)
				if err != nil {
					return a.notPlanned(ctx, plane, err)
				}
				if err := a.print(plan, func(w io.Writer) error { return writePlan(w, cluster.Name, plan) }); err != nil {
					return err
				}
				if err := refused(plan); err != nil {
					return err
				}
				if tell && len(effective(plan)) > 0 {
					return exitCode(exitChanges)
				}
				return nil
			})(c, args)
		},
	}
	d.flags(c)
	c.Flags().BoolVar(&tell, "exit-code", false, "end with exit code 2 when there is something to be done")
	return c
}

// notPlanned says why there is no plan.
func (a *app) notPlanned(ctx context.Context, plane connection, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted before there was a plan; nothing was changed")
	}
	return a.explain(plane, err)
}

// exitChanges is how a plan that would change something ends, for those who ask. Others use the same.
const exitChanges = 2

// refused says that a plan can't be applied; nil when it can.
func refused(plan client.TopicPlan) error {
	n := refusals(plan)
	switch {
	case n == 0:
		return nil
	case len(plan.Changes) == 1:
		return fmt.Errorf("this can't be done, so nothing is")
	default:
		return fmt.Errorf("%d of %d changes can't be made, so none is", n, len(plan.Changes))
	}
}

// refusals counts the changes that can't be made.
func refusals(plan client.TopicPlan) int {
	return len(cluster.TopicPlan{Changes: plan.Changes}.Refused())
}

// effective are the changes that do something.
func effective(plan client.TopicPlan) []cluster.TopicChange {
	return cluster.TopicPlan{Changes: plan.Changes}.Effective()
}

// writePlan writes a line for each change, and what is to be known of them.
func writePlan(w io.Writer, name string, plan client.TopicPlan) error {
	var rows [][]string
	var lines []string
	for _, c := range plan.Changes {
		rows = append(rows, []string{marker(c) + " " + string(c.Action), c.Topic, changeText(c)})
		if c.Refused != "" {
			lines = append(lines, "refused: "+c.Topic+": "+oneLine(c.Refused))
		}
		for _, warning := range c.Warnings {
			lines = append(lines, "warning: "+c.Topic+": "+oneLine(warning))
		}
		if c.Action == cluster.ReleaseTopic && c.Refused == "" {
			lines = append(lines, fmt.Sprintf("%s is no longer declared and stays; to delete it with its records: --delete %s", c.Topic, shellQuote(c.Topic)))
		}
	}
	for _, warning := range plan.Warnings {
		lines = append(lines, "warning: "+oneLine(warning))
	}
	if _, err := fmt.Fprintln(w, planSummary(name, plan)); err != nil {
		return err
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := table(w, []string{"CHANGE", "TOPIC", "DETAIL"}, rows); err != nil {
			return err
		}
	}
	return writeLines(w, lines)
}

// actions are in the order in which they are done.
var actions = []cluster.TopicAction{
	cluster.CreateTopic, cluster.GrowTopic, cluster.ConfigureTopic, cluster.DeleteTopic, cluster.ReleaseTopic,
}

// planSummary says how much there is to be done.
func planSummary(name string, plan client.TopicPlan) string {
	if len(plan.Changes) == 0 {
		return fmt.Sprintf("Topics of %s: nothing is to be done; %s as declared.", name, areTopics(plan.Unchanged))
	}
	var parts []string
	for _, action := range actions {
		n := 0
		for _, c := range plan.Changes {
			if c.Action == action && c.Refused == "" {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, action))
		}
	}
	if n := refusals(plan); n > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", n))
	}
	return fmt.Sprintf("Topics of %s: %s; %s as declared.", name, strings.Join(parts, ", "), areTopics(plan.Unchanged))
}

func areTopics(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

// marker is what a change does, at a glance.
func marker(c cluster.TopicChange) string {
	if c.Refused != "" {
		return "!"
	}
	switch c.Action {
	case cluster.CreateTopic:
		return "+"
	case cluster.DeleteTopic:
		return "-"
	case cluster.ReleaseTopic:
		return "="
	default:
		return "~"
	}
}

// changeText says what is different after a change.
func changeText(c cluster.TopicChange) string {
	var parts []string
	switch c.Action {
	case cluster.CreateTopic:
		parts = append(parts, counted(c.ToPartitions, "partition"), counted(c.ReplicationFactor, "replica"))
	case cluster.GrowTopic:
		parts = append(parts, fmt.Sprintf("%d → %s", c.FromPartitions, counted(c.ToPartitions, "partition")))
	case cluster.DeleteTopic:
		parts = append(parts, counted(c.FromPartitions, "partition")+" with all records")
	case cluster.ReleaseTopic:
		parts = append(parts, "stays as it is")
	case cluster.ConfigureTopic:
	}
	for _, config := range c.Configs {
		parts = append(parts, configText(config, c.Action == cluster.CreateTopic))
	}
	return strings.Join(parts, ", ")
}

func configText(c cluster.ConfigChange, isNew bool) string {
	value := func(v *string) string {
		switch {
		case v == nil:
			return "inherited"
		case *v == "":
			return `""`
		default:
			return *v
		}
	}
	if isNew {
		return c.Name + "=" + value(c.To)
	}
	return c.Name + ": " + value(c.From) + " → " + value(c.To)
}
