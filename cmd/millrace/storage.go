package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

func (a *app) storageCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "storage",
		Short: "Show how full the volumes of brokers are, and grow them",
		Long: `Every broker keeps its records on a volume of its own. These commands show how full the volumes
are, and let them grow while Kafka goes on using them: nothing is restarted, and clients notice
nothing. A volume never gets smaller.`,
		Example: `  millrace storage show demo
  millrace storage grow demo --to 200
  millrace storage autoscale demo --target 60 --max 500`,
	}, a.showStorageCommand(), a.growStorageCommand(), a.autoscaleStorageCommand())
}

func (a *app) showStorageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show CLUSTER",
		Short: "Show the volume of each broker, how full it is, and how it has grown",
		Long: `Shows the volume of each broker of a cluster: how large it is, how much of it its last heartbeat
said to be used, and how much it takes and gives in a second where somebody has asked for more
than a volume has (MIB/S). A volume that has grown while its platform took no change of it is made
of several, which are named (VOLUME) until they are one again. Then the policy by which volumes grow by themselves, what is growing,
and the last growths with their cause: a request, autoscaling, healing of a full disk, or merging
of the volumes that one was made of meanwhile, which changes no size. A dash means that it is
unknown, or not set. CLUSTER is its name or its ARN.`,
		Example: `  millrace storage show demo
  millrace storage show demo --output json`,
		Args: cobra.ExactArgs(1),
		RunE: a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			storage, err := plane.Storage(ctx, cluster.ARN)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(storage, func(w io.Writer) error { return writeStorage(w, storage) })
		}),
	}
}

// writeStorage writes what holds for all volumes of a cluster, a line for each, and a line for each growth.
func writeStorage(w io.Writer, s client.Storage) error {
	each := fmt.Sprintf("%d GiB each, or more", s.VolumeGiB)
	if !slices.ContainsFunc(s.Brokers, func(b client.BrokerStorage) bool { return b.VolumeGiB != s.VolumeGiB }) {
		each = fmt.Sprintf("%d GiB each", s.VolumeGiB)
	}
	pairs := [][2]string{{"Cluster", s.Name}, {"State", string(s.State)}, {"Volumes", each}}
	policy := "off"
	if p := s.Autoscaling; p != nil {
		policy = fmt.Sprintf("all volumes grow when the fullest is %d%% full, up to %d GiB", p.TargetPercent, p.MaxGiB)
		if p.MaxGiB <= s.VolumeGiB {
			policy += ", which they have: so they grow no more"
		}
	}
	pairs = append(pairs, [2]string{"Autoscaling", policy})
	if g := s.Growing; g != nil {
		pairs = append(pairs, [2]string{"Growing", changesText(*g) + "; " + applyingText(g.Operation)})
	}
	if err := facts(w, pairs...); err != nil {
		return err
	}
	var rows [][]string
	for _, b := range s.Brokers {
		used, full, seen := "", "", ""
		if b.UsedBytes != nil && b.UsedPercent != nil {
			used, full = gibs(*b.UsedBytes), fmt.Sprintf("%.1f%%", *b.UsedPercent)
		}
		if b.SeenAt != nil {
			seen = formatTime(*b.SeenAt)
		}
		rows = append(rows, []string{
			strconv.Itoa(int(b.ID)), b.Zone, strconv.Itoa(b.VolumeGiB), used, full, positive(b.ThroughputMiB), seen,
			cmp.Or(strings.Join(b.Volumes, " + "), b.Volume),
		})
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"BROKER", "ZONE", "GIB", "USED-GIB", "FULL", "MIB/S", "SEEN", "VOLUME"}, rows); err != nil {
		return err
	}
	if len(s.Growths) == 0 {
		_, err := fmt.Fprint(w, "\nNo volume has grown so far.\n")
		return err
	}
	rows = nil
	for _, g := range s.Growths {
		detail := g.Reason
		if f := failureText(g.Operation.Failure); f != "" {
			detail = f
		}
		rows = append(rows, []string{formatTime(g.Operation.StartedAt), g.Cause, string(g.Operation.State), changesText(g), detail})
	}
	fmt.Fprintln(w)
	return table(w, []string{"BEGUN", "CAUSE", "STATE", "GROWTH", "DETAIL"}, rows)
}

// changesText says what becomes of volumes, of those together that change alike.
func changesText(g client.Growth) string {
	var parts []string
	for rest := g.Volumes; len(rest) > 0; {
		text := volumeText(rest[0])
		var alike []int32
		var others []client.VolumeChange
		for _, v := range rest {
			if volumeText(v) == text {
				alike = append(alike, v.NodeID)
			} else {
				others = append(others, v)
			}
		}
		whose := "broker "
		if len(alike) > 1 {
			whose = "brokers "
		}
		parts = append(parts, whose+brokerIDs(alike)+": "+text)
		rest = others
	}
	return strings.Join(parts, "; ")
}

func volumeText(v client.VolumeChange) string {
	var parts []string
	switch {
	case v.FromGiB == 0:
		parts = append(parts, fmt.Sprintf("to %d GiB", v.ToGiB))
	case v.FromGiB != v.ToGiB:
		parts = append(parts, fmt.Sprintf("%d → %d GiB", v.FromGiB, v.ToGiB))
	case v.FromThroughputMiB == v.ToThroughputMiB:
		parts = append(parts, fmt.Sprintf("%d GiB as before", v.ToGiB))
	}
	if from, to := v.FromThroughputMiB, v.ToThroughputMiB; from != to {
		speed := func(n int) int {
			if n == 0 {
				return cluster.BaseThroughputMiB
			}
			return n
		}
		parts = append(parts, fmt.Sprintf("%d → %d MiB/s", speed(from), speed(to)))
	}
	return strings.Join(parts, ", ")
}

// gibs writes bytes in GiB, as exact as it takes to see that they become more.
func gibs(bytes int64) string { return strconv.FormatFloat(float64(bytes)/(1<<30), 'f', 2, 64) }

// positive writes a number that is nothing when it is 0.
func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (a *app) growStorageCommand() *cobra.Command {
	var gib int
	var brokers []int32
	c := &cobra.Command{
		Use:   "grow CLUSTER --to GIB [--broker ID]...",
		Short: "Grow the volumes of all brokers, or of some, while Kafka goes on",
		Long: `Grows the volumes of all brokers of a cluster to so many GiB, or of those that --broker names, and
waits until brokers can use the room, a minute at most for a host that does not find it. Nothing
is restarted, and clients notice nothing. A volume grows by 10 GiB or more at a time, up to 16384
GiB, and never gets smaller. CLUSTER is its name or its ARN.

The cluster has to be ACTIVE. The work is an operation of it, of the type UPDATE_BROKER_STORAGE,
which goes on when this command ends: Ctrl-C interrupts the waiting alone, and the same command
said again waits for the same operation.`,
		Example: `  millrace storage grow demo --to 200
  millrace storage grow demo --to 200 --broker 2
  millrace storage grow demo --to 200 --broker 1 --broker 3 --output json`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().IntVar(&gib, "to", 0, "how many GiB each volume is to have")
	c.Flags().Int32SliceVar(&brokers, "broker", nil, "a broker whose volume grows, by its id; may be said more than once (default all of them)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if gib < 1 || gib > cluster.MostVolumeGiB {
			return usagef("--to says how many GiB each volume is to have, such as 200, and %d at most", cluster.MostVolumeGiB)
		}
		if c.Flags().Changed("broker") && (len(brokers) == 0 || slices.Min(brokers) < 1) {
			return usagef("--broker is the id of a broker, such as 2")
		}
		return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
			return a.growStorage(ctx, plane, cluster, gib, brokers)
		})(c, args)
	}
	return c
}

// growStorage has volumes grow, and shows how far that is until it has ended.
func (a *app) growStorage(ctx context.Context, plane connection, c client.Cluster, gib int, brokers []int32) error {
	begun, err := plane.GrowStorage(ctx, c.ARN, c.Version, gib, brokers)
	if err != nil {
		var refused *client.Error
		if errors.As(err, &refused) && c.Growing != nil {
			return fmt.Errorf("%w Its volumes are being changed already; see: %s", err, a.hint("storage show "+shellQuote(c.Name)))
		}
		return a.explain(plane, err)
	}
	ended, err := a.follow(ctx, plane, c, begun, following{
		goesOn: "the volumes of " + c.Name + " go on growing",
		again:  a.hint("storage show " + shellQuote(c.Name)),
		failed: func(op client.Operation) error {
			return fmt.Errorf("the volumes of %s did not grow: %s; a volume that has grown stays so, and the same command goes on with the others",
				c.Name, failureText(op.Failure))
		},
	})
	if err != nil {
		return err
	}
	return a.print(ended, func(w io.Writer) error {
		of := "every broker"
		if len(brokers) > 0 {
			of = "broker " + brokerIDs(brokers)
		}
		_, err := fmt.Fprintf(w, "The volume of %s of %s has %d GiB; it took %s.\n", of, c.Name, gib, spoken(ended.EndedAt.Sub(ended.StartedAt)))
		return err
	})
}
