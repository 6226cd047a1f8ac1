package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/cmd/millrace/internal/topicfile"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) applyTopicsCommand() *cobra.Command {
	var d declared
	var yes bool
	c := &cobra.Command{
		Use:   "apply [-f FILE] CLUSTER",
		Short: "Make the topics of a cluster as a document declares them",
		Long: `Shows the plan, asks, and then makes the topics of a cluster as a document declares them: what is
missing is created, then partitions are added, then properties are changed. It waits until every
broker knows of it, and shows how far it is. CLUSTER is its name or its ARN.

Nothing is deleted by itself. A topic that was declared and is no longer stays as it is, unless
--delete names it. A change by which Kafka would throw records away, such as a shorter retention,
is refused unless --discard names the topic. One change that is refused keeps back all others.

The work is an operation of the cluster, of the type APPLY_TOPICS, which does not keep it from
being updated or healed. It goes on when this command ends: Ctrl-C interrupts the waiting alone.
"apply" said again, with or without a document, first shows the one that is under way to its
end. One that fails has done what it says; when the cause is mended, apply the document again.`,
		Example: `  millrace topics apply -f topics.yaml demo
  millrace topics apply -f topics.yaml demo --yes
  millrace topics apply -f topics.yaml demo --delete old-orders --discard audit
  millrace topics apply demo`,
		Args: cobra.ExactArgs(1),
	}
	d.flags(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(d.files) == 0 {
			if yes || len(d.permits.Delete)+len(d.permits.Discard) > 0 {
				return usagef("-f is missing: the document that declares topics, or - for standard input")
			}
			return a.onCluster(a.followApplication)(c, args)
		}
		if slices.Contains(d.files, topicfile.Stdin) && !yes {
			return usagef("with -f - there is nobody to ask; give --yes, or the document as a file")
		}
		topics, err := d.read(a)
		if err != nil {
			return err
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			return a.applyTopics(ctx, plane, cluster, topics, d.permits, yes)
		})(c, args)
	}
	return c
}

// followApplication shows the application that is under way, to its end.
func (a *app) followApplication(ctx context.Context, plane connection, cluster client.Cluster) error {
	if cluster.Applying == nil {
		return fmt.Errorf("no topics of %s are being applied; to apply a document: %s", cluster.Name, a.hint("topics apply -f FILE "+shellQuote(cluster.Name)))
	}
	ended, err := a.follow(ctx, plane, cluster, *cluster.Applying, a.application(cluster))
	if err != nil {
		return err
	}
	return a.print(ended, func(w io.Writer) error { return writeApplied(w, cluster.Name, ended) })
}

// applyTopics has topics made as they are declared.
//
//  1. Wait for an application that is under way: the control plane does one at a time.
//  2. Show the plan. Nothing is done where something is refused, and nothing is asked where nothing changes.
//  3. Ask, and begin. The control plane makes the plan anew, by the same permits.
//  4. Show how far it is until it has ended.
func (a *app) applyTopics(
	ctx context.Context, plane connection, c client.Cluster, topics []cluster.DeclaredTopic, permits cluster.TopicPermits, yes bool,
) error {
	if c.Applying != nil {
		fmt.Fprintf(a.err, "Topics of %s are being applied already; this waits for it.\n", c.Name)
		if _, err := a.follow(ctx, plane, c, *c.Applying, a.application(c)); err != nil {
			return err
		}
	}
	plan, err := plane.PlanTopics(ctx, c.ARN, topics, permits)
	if err != nil {
		return a.notPlanned(ctx, plane, err)
	}
	if err := a.showPlan(c.Name, plan, yes); err != nil {
		return err
	}
	if err := refused(plan); err != nil {
		return err
	}
	if len(plan.Changes) > 0 && !yes {
		sure, err := a.ask(fmt.Sprintf("This changes the topics of %s.", c.Name))
		if err == nil && !sure {
			err = errors.New("nothing was changed; answer yes, or give --yes, to apply it")
		}
		if err != nil {
			return err
		}
	}
	begun, err := plane.ApplyTopics(ctx, c.ARN, topics, permits)
	if err != nil {
		return a.perhapsBegun(ctx, plane, c, err)
	}
	if begun.Operation, err = a.follow(ctx, plane, c, begun.Operation, a.application(c)); err != nil {
		return err
	}
	return a.print(begun, func(w io.Writer) error { return writeApplied(w, c.Name, begun.Operation) })
}

// perhapsBegun says what is known when there is no operation to follow: nothing has begun where the control plane has said no. Where
// it has said nothing, it may have.
func (a *app) perhapsBegun(ctx context.Context, plane connection, c client.Cluster, err error) error {
	unknown := fmt.Sprintf("it is unknown whether the topics of %s have begun to be applied; see with: %s",
		c.Name, a.hint("topics apply "+shellQuote(c.Name)))
	var said *client.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s", unknown)
	case errors.As(err, &said):
		return a.explain(plane, err)
	default:
		return fmt.Errorf("%w; %s", a.explain(plane, err), unknown)
	}
}

// showPlan shows a plan that is about to be applied. A program is given what has become of it, unless that is nothing.
func (a *app) showPlan(name string, plan client.TopicPlan, yes bool) error {
	switch {
	case a.output == outputTable:
		return writePlan(a.out, name, plan)
	case plan.Refused:
		return writeJSON(a.out, plan)
	case !yes:
		return writePlan(a.err, name, plan) // whoever is asked has to know what about
	default:
		return nil
	}
}

func writeApplied(w io.Writer, name string, op client.Operation) error {
	_, err := fmt.Fprintf(w, "Topics of %s are as declared; it took %s.\n", name, spoken(op.EndedAt.Sub(op.StartedAt)))
	return err
}

// application is what is said of topics that are being applied.
func (a *app) application(c client.Cluster) following {
	return following{
		goesOn: "the topics of " + c.Name + " go on being applied",
		again:  a.hint("topics apply " + shellQuote(c.Name)),
		failed: func(op client.Operation) error { return applicationFailed(c, op) },
	}
}

// applicationFailed says why an application has failed, and what that means.
func applicationFailed(c client.Cluster, op client.Operation) error {
	got := ""
	if step, ok := op.CurrentStep(); ok && step.Detail != "" && (op.Failure == nil || step.Detail != op.Failure.Message) {
		got = " (" + step.Detail + ")"
	}
	return fmt.Errorf("the topics of %s could not be applied%s: %s; what was done stays; once the cause is mended, apply the document again, which goes on from there",
		c.Name, got, failureText(op.Failure))
}
