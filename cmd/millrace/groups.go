package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) groupsCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "groups",
		Short: "Show how far groups of consumers have read, and have them read again",
		Long: `Groups of consumers share the work of reading topics, and commit how far they have come. These
commands show how many records a group has still to read (its lag) and for how long the oldest of
them has been waiting (how far it is behind), and change where a group goes on.

Classic groups and those of the newer protocol (type consumer) can be looked at and changed. Share
groups commit no offsets, and the offsets of a Kafka Streams application are half of its state:
they are listed, and Kafka's own tools change them.`,
		Example: `  millrace groups list demo
  millrace groups describe demo billing
  millrace groups reset demo billing --topic payments --to-time 2026-09-20T12:00:00Z
  millrace groups delete demo billing`,
	}, a.listGroupsCommand(), a.describeGroupCommand(), a.resetGroupCommand(), a.deleteOffsetsCommand(), a.deleteGroupCommand())
}

func (a *app) listGroupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list CLUSTER",
		Short: "List the groups of a cluster, with how far each is behind",
		Long: `Lists all groups of a cluster: how many members a group has, how many records it has still to
read, and for how long the oldest of them has been waiting, in the partition that is furthest
behind. A dash means that it is unknown. CLUSTER is its name or its ARN.`,
		Example: `  millrace groups list demo
  millrace groups list demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			groups, err := plane.Groups(ctx, cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(groups, func(w io.Writer) error { return writeGroups(w, cluster.Name, groups) })
		}),
	}
}

func writeGroups(w io.Writer, name string, groups []client.GroupSummary) error {
	if len(groups) == 0 {
		_, err := fmt.Fprintf(w, "There are no groups in %s.\n", name)
		return err
	}
	var rows [][]string
	for _, g := range groups {
		members := ""
		if g.Members != nil {
			members = strconv.Itoa(*g.Members)
		}
		rows = append(rows, []string{g.ID, g.Type, g.State, members, number(g.Lag), behind(g.BehindSeconds), strconv.Itoa(int(g.Coordinator))})
	}
	return table(w, []string{"GROUP", "TYPE", "STATE", "MEMBERS", "LAG", "BEHIND", "COORDINATOR"}, rows)
}

// number writes a number that may be unknown.
func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// behind writes for how long a record has been waiting, if anybody knows.
func behind(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return spoken(time.Duration(*seconds * float64(time.Second)))
}

func (a *app) describeGroupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe CLUSTER GROUP",
		Short: "Show a group's members, and how far it is behind in each partition",
		Long: `Shows one group: its members with the partitions that each reads, and for each partition what the
group has committed, where the partition ends, how many records are still to be read, and for how
long the first of them has been waiting, by the time that its record carries. CLUSTER is its name
or its ARN.`,
		Example: `  millrace groups describe demo billing
  millrace groups describe demo billing --output json`,
		Args: oneGroup,
		RunE: func(c *cobra.Command, args []string) error {
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				g, err := plane.Group(ctx, cluster.ARN, args[1])
				if err != nil {
					return a.explain(plane, err)
				}
				return a.print(g, func(w io.Writer) error { return writeGroup(w, g) })
			})(c, args)
		},
	}
}

// oneGroup takes a cluster and a group of it. A variable of a shell that is not set would otherwise ask for all groups.
func oneGroup(c *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(2)(c, args); err != nil {
		return err
	}
	if args[1] == "" {
		return usagef("the group to %s is empty", c.Name())
	}
	return nil
}

func writeGroup(w io.Writer, g client.Group) error {
	if err := facts(w,
		[2]string{"Group", g.ID},
		[2]string{"Type", g.Type},
		[2]string{"State", g.State},
		[2]string{"Protocol", g.Protocol},
		[2]string{"Coordinator", fmt.Sprintf("broker %d", g.Coordinator)},
		[2]string{"Lag", cmp.Or(number(g.Lag), "unknown")},
		[2]string{"Behind", cmp.Or(behind(g.BehindSeconds), "unknown")},
	); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if len(g.Members) > 0 {
		var rows [][]string
		for _, m := range g.Members {
			rows = append(rows, []string{m.ClientID, m.Host, m.InstanceID, strconv.Itoa(len(m.Partitions)), m.ID})
		}
		if err := table(w, []string{"CLIENT", "HOST", "INSTANCE", "PARTITIONS", "MEMBER"}, rows); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if len(g.Offsets) == 0 {
		_, err := fmt.Fprintln(w, "It has committed no offsets.")
		return err
	}
	clients := map[string]string{}
	for _, m := range g.Members {
		clients[m.ID] = cmp.Or(m.InstanceID, m.ClientID)
	}
	var rows [][]string
	for _, o := range g.Offsets {
		rows = append(rows, []string{
			o.Topic, strconv.Itoa(int(o.Partition)), number(o.Committed), number(o.Begin), number(o.End), number(o.Lag), behind(o.BehindSeconds), clients[o.Member],
		})
	}
	return table(w, []string{"TOPIC", "PARTITION", "COMMITTED", "BEGIN", "END", "LAG", "BEHIND", "READ BY"}, rows)
}

// offsetFlags say which offsets a command is about, and whether it asks.
type offsetFlags struct {
	topic      string
	partitions []int32
	all        bool
	dryRun     bool
	yes        bool
}

func (f *offsetFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.topic, "topic", "", "only those of this topic")
	c.Flags().Int32SliceVar(&f.partitions, "partition", nil, "only those of these partitions of the topic, such as 0,3")
	c.Flags().BoolVar(&f.all, "all-topics", false, "those of every topic that the group has committed offsets of")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show what would be done")
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
}

// of gives what is meant. All of a group's offsets are not changed by what somebody has left out.
func (f *offsetFlags) of(group string) (client.OffsetsOf, error) {
	switch {
	case f.topic == "" && len(f.partitions) > 0:
		return client.OffsetsOf{}, usagef("--partition takes the --topic that it is of")
	case f.topic == "" && !f.all:
		return client.OffsetsOf{}, usagef("give the --topic that is meant, or --all-topics")
	case f.topic != "" && f.all:
		return client.OffsetsOf{}, usagef("--topic and --all-topics say two things; give one of them")
	}
	return client.OffsetsOf{Group: group, Topic: f.topic, Partitions: f.partitions}, nil
}

func (a *app) resetGroupCommand() *cobra.Command {
	var flags offsetFlags
	var to targetFlags
	c := &cobra.Command{
		Use:   "reset CLUSTER GROUP",
		Short: "Have a group go on reading elsewhere",
		Long: `Changes what a group has committed, so that it goes on reading elsewhere: at the oldest record, at
the end, at an offset, by a number of records on or back, or at the first record that is as old as
a time or younger. It shows each offset before and after, and asks before it changes them. An
offset that a partition does not have becomes the nearest that it has.

The group must have no members: stop its consumers first. What they commit at last would undo the
change. CLUSTER is its name or its ARN.`,
		Example: `  millrace groups reset demo billing --topic payments --to-earliest --dry-run
  millrace groups reset demo billing --topic payments --partition 0,3 --to-offset 1200
  millrace groups reset demo billing --all-topics --by -100
  millrace groups reset demo billing --all-topics --to-time 2026-09-20T12:00:00Z
  millrace groups reset demo billing --all-topics --back 2h --yes`,
		Args: oneGroup,
	}
	flags.add(c)
	to.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		of, err := flags.of(args[1])
		if err != nil {
			return err
		}
		target, err := to.target(c)
		if err != nil {
			return err
		}
		return a.changeOffsets(c, args, flags, offsetsCommand{
			of: of, done: "reset", about: "This has group %s go on where TO says, the next time it is started.",
			change: func(ctx context.Context, plane connection, arn string, of client.OffsetsOf) (client.OffsetChanges, error) {
				return plane.ResetOffsets(ctx, arn, of, target)
			},
		})
	}
	return c
}

// targetFlags say where a group should go on.
type targetFlags struct {
	earliest, latest bool
	offset, by       int64
	at               string
	back             span
}

func (f *targetFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.earliest, "to-earliest", false, "at the oldest record that is kept")
	c.Flags().BoolVar(&f.latest, "to-latest", false, "at the end: only at records that are still to come")
	c.Flags().Int64Var(&f.offset, "to-offset", 0, "at this offset in each partition")
	c.Flags().Int64Var(&f.by, "by", 0, "so many records further on or, with a minus, back")
	c.Flags().StringVar(&f.at, "to-time", "", "at the first record from this time on, such as 2026-09-20T12:00:00Z or 2026-09-20T14:00:00+02:00")
	c.Flags().Var(&f.back, "back", "at the first record of the last so much time, such as 45m or 2h")
}

func (f *targetFlags) target(c *cobra.Command) (cluster.OffsetTarget, error) {
	given := c.Flags().Changed
	said := 0
	for _, flag := range []string{"to-earliest", "to-latest", "to-offset", "by", "to-time", "back"} {
		if given(flag) {
			said++
		}
	}
	switch {
	case said != 1:
		return cluster.OffsetTarget{}, usagef("say once where to go on: --to-earliest, --to-latest, --to-offset, --by, --to-time or --back")
	case given("to-offset"):
		if f.offset < 0 {
			return cluster.OffsetTarget{}, usagef("--to-offset is 0 or more, not %d", f.offset)
		}
		return cluster.OffsetTarget{Offset: &f.offset}, nil
	case given("by"):
		return cluster.OffsetTarget{By: &f.by}, nil
	case given("to-time"):
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			return cluster.OffsetTarget{}, usagef("--to-time is written like 2026-09-20T12:00:00Z, not %q", f.at)
		}
		return cluster.OffsetTarget{At: &at}, nil
	case given("back"):
		at := time.Now().Add(-time.Duration(f.back)).UTC()
		return cluster.OffsetTarget{At: &at}, nil
	case !f.earliest && !f.latest:
		return cluster.OffsetTarget{}, usagef("--to-earliest=false and --to-latest=false say nothing of where to go on")
	}
	return cluster.OffsetTarget{Earliest: f.earliest, Latest: f.latest}, nil
}

func (a *app) deleteOffsetsCommand() *cobra.Command {
	var flags offsetFlags
	c := &cobra.Command{
		Use:   "delete-offsets CLUSTER GROUP",
		Short: "Make a group forget how far it has read",
		Long: `Deletes what a group has committed of a topic: the next time the group reads it, it begins where
its own configuration says (auto.offset.reset). It shows what is forgotten, and asks before it
does. A topic that members of the group read at the moment is refused: stop them first. CLUSTER is
its name or its ARN.`,
		Example: `  millrace groups delete-offsets demo billing --topic payments
  millrace groups delete-offsets demo billing --topic payments --partition 0 --yes
  millrace groups delete-offsets demo billing --all-topics --dry-run`,
		Args: oneGroup,
	}
	flags.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		of, err := flags.of(args[1])
		if err != nil {
			return err
		}
		return a.changeOffsets(c, args, flags, offsetsCommand{
			of: of, done: "deleted", about: "This makes group %s forget that it has read so far.",
			change: func(ctx context.Context, plane connection, arn string, of client.OffsetsOf) (client.OffsetChanges, error) {
				return plane.DeleteOffsets(ctx, arn, of)
			},
		})
	}
	return c
}

// offsetsCommand is what there is to be done to offsets, in words.
type offsetsCommand struct {
	of     client.OffsetsOf
	done   string // what has been done to them in the end
	about  string // what it means for the group, before it is done
	change func(ctx context.Context, plane connection, arn string, of client.OffsetsOf) (client.OffsetChanges, error)
}

// changeOffsets shows what would be done, asks, and does it.
func (a *app) changeOffsets(c *cobra.Command, args []string, flags offsetFlags, command offsetsCommand) error {
	return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
		of := command.of
		if flags.dryRun || !flags.yes {
			of.DryRun = true
			would, err := command.change(ctx, plane, cluster.ARN, of)
			if err != nil {
				return a.explain(plane, err)
			}
			if flags.dryRun {
				return a.print(would, func(w io.Writer) error { return writeChanges(w, would) })
			}
			// What is asked about is shown where it is asked; the result has the other place to itself.
			if err := writeChanges(a.err, would); err != nil {
				return err
			}
			sure, err := a.ask(fmt.Sprintf(command.about, of.Group))
			if err == nil && !sure {
				err = fmt.Errorf("nothing was %s; answer yes, or give --yes", command.done)
			}
			if err != nil {
				return err
			}
			of.DryRun = false
		}
		did, err := command.change(ctx, plane, cluster.ARN, of)
		if err != nil {
			return a.explain(plane, err)
		}
		return a.print(did, func(w io.Writer) error {
			if flags.yes {
				if err := writeChanges(w, did); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintf(w, "The offsets of %s of group %s are %s.\n", counted(len(did.Changes), "partition"), did.Group, command.done)
			return err
		})
	})(c, args)
}

func writeChanges(w io.Writer, changes client.OffsetChanges) error {
	var rows [][]string
	for _, c := range changes.Changes {
		rows = append(rows, []string{c.Topic, strconv.Itoa(int(c.Partition)), number(c.From), number(c.To), c.Note})
	}
	return table(w, []string{"TOPIC", "PARTITION", "FROM", "TO", "NOTE"}, rows)
}

func (a *app) deleteGroupCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "delete CLUSTER GROUP",
		Short: "Delete a group with all that it has committed",
		Long: `Deletes a group with all that it has committed. Its topics and their records stay. It asks before it
does. A group that has members is refused: stop them first. CLUSTER is its name or its ARN.`,
		Example: `  millrace groups delete demo billing
  millrace groups delete demo billing --yes`,
		Args: oneGroup,
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			if !yes {
				if err := a.confirmDeleteGroup(ctx, plane, cluster, args[1]); err != nil {
					return err
				}
			}
			if err := plane.DeleteGroup(ctx, cluster.ARN, args[1]); err != nil {
				return a.explain(plane, err)
			}
			return a.print(deletedGroup{args[1]}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Deleted the group %s of %s.\n", args[1], cluster.Name)
				return err
			})
		})(c, args)
	}
	return c
}

type deletedGroup struct {
	Deleted string `json:"deleted"`
}

func (a *app) confirmDeleteGroup(ctx context.Context, plane connection, cluster client.Cluster, id string) error {
	g, err := plane.Group(ctx, cluster.ARN, id)
	if err != nil {
		return a.explain(plane, err)
	}
	sure, err := a.ask(fmt.Sprintf("This deletes the group %s of %s, with what it has committed of %s.", id, cluster.Name, counted(len(g.Offsets), "partition")))
	if err == nil && !sure {
		err = errors.New("nothing was deleted; answer yes, or give --yes, to delete it")
	}
	return err
}
