package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
)

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health [CLUSTER]",
		Short: "Show what is the matter with each node, and what is done about it",
		Long: `Shows the verdict over each node of a cluster, or of all: in which condition it is and since
when, what was seen, what is done about it (restart, replace, grow), what that waits for, and
what you can do where nothing else helps. CLUSTER is its name or its ARN.

"well" needs nothing. "unknown" means that nothing was heard of a node and that nobody says
anything against it; that alone is never a reason to act.

While more nodes are sick than a cluster should lose at once, or several clusters at the same
time, the circuit breaker is open: it may be an outage of ours. Then only hosts that are proven
dead are replaced, one after the other, until you have looked and say "millrace heal allow".`,
		Example: `  millrace health
  millrace health demo
  millrace health demo --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.healthOfAll(c.Context())
			}
			return a.onCluster(func(ctx context.Context, plane connection, cluster client.Cluster) error {
				h, err := plane.Health(ctx, cluster.ARN)
				if err != nil {
					return a.explain(plane, err)
				}
				return a.print(h, func(w io.Writer) error { return a.writeHealth(w, h) })
			})(c, args)
		},
	}
}

func (a *app) healthOfAll(ctx context.Context) error {
	plane, err := a.connect(ctx)
	if err != nil {
		return err
	}
	clusters, err := plane.Clusters(ctx)
	if err != nil {
		return a.explain(plane, err)
	}
	all := []client.Health{}
	for _, c := range clusters {
		h, err := plane.Health(ctx, c.ARN)
		var refused *client.Error
		if errors.As(err, &refused) && refused.Type == "NotFoundException" {
			continue // deleted since the list was made
		}
		if err != nil {
			return a.explain(plane, err)
		}
		all = append(all, h)
	}
	return a.print(all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "There are no clusters yet.")
			return err
		}
		for i, h := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if err := a.writeHealth(w, h); err != nil {
				return err
			}
		}
		return nil
	})
}

// lookedLongAgo is when a look that nobody has repeated says little any more: there is one every minute at least.
const lookedLongAgo = 3 * time.Minute

// writeHealth writes how a cluster fares: what counts for all of it, a line per node, and what people can do.
func (a *app) writeHealth(w io.Writer, h client.Health) error {
	if err := facts(w, a.healthFacts(h)...); err != nil {
		return err
	}
	if len(h.Nodes) == 0 {
		return nil
	}
	var rows [][]string
	for _, n := range h.Nodes {
		rows = append(rows, healthRow(h, n))
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"NODE", "ROLE", "HEALTH", "SINCE", "REMEDY", "WAITS", "REASON"}, rows); err != nil {
		return err
	}
	return writeLines(w, adviceFor("", h.Nodes))
}

func (a *app) healthFacts(h client.Health) [][2]string {
	looked := "not yet"
	if h.LookedAt != nil {
		looked = formatTime(*h.LookedAt)
		if ago := time.Since(*h.LookedAt); ago > lookedLongAgo {
			looked += fmt.Sprintf(", %s ago: nobody looks at the moment", spoken(ago.Round(time.Second)))
		}
	}
	pairs := [][2]string{{"Cluster", h.Name}, {"State", string(h.State)}, {"Looked at", looked}}
	if h.Heal != nil {
		pairs = append(pairs, [2]string{"Healing", healText(*h.Heal)})
	}
	switch {
	case h.Breaker != "" && h.AllowedUntil == nil:
		pairs = append(pairs, [2]string{"Breaker", "open: " + h.Breaker + "; once you have looked: " + a.hint("heal allow "+shellQuote(h.Name))})
	case h.Breaker != "":
		pairs = append(pairs, [2]string{"Breaker", "open: " + h.Breaker})
	}
	if h.AllowedUntil != nil {
		pairs = append(pairs, [2]string{"Allowed", "healing goes on whatever the circuit breaker says, until " + formatTime(*h.AllowedUntil)})
	}
	for _, m := range h.Maintenance {
		pairs = append(pairs, [2]string{"Maintenance", maintenanceText(m, h.Nodes)})
	}
	if d := h.TopicDrift; d != nil && d.Count > 0 {
		pairs = append(pairs, [2]string{"Topics", driftText(*d) + "; see: " + a.hint("topics list "+shellQuote(h.Name))})
	}
	grow := "are not grown"
	if h.MaxVolumeGiB > 0 {
		grow = fmt.Sprintf("grow up to %d GiB", h.MaxVolumeGiB)
	}
	if rule := h.StorageAutoscaling; rule != nil {
		grow = "of brokers grow by storage autoscaling (" + rule.String() + ")"
	}
	return append(pairs, [2]string{"Full volumes", grow})
}

func healthRow(h client.Health, n client.Node) []string {
	f := n.Health
	if f == nil {
		f = &client.Finding{Reason: "nobody has looked yet"}
	}
	since := ""
	if !f.Since.IsZero() {
		since = formatTime(f.Since)
	}
	waits := f.Waits
	if h.Heal != nil && h.Heal.NodeID == n.ID {
		waits = "" // it is being healed
	}
	return []string{strconv.Itoa(int(n.ID)), string(n.Role), string(f.Condition), since, string(f.Remedy), waits, f.Reason}
}

// healText says what is done about which node, and how far that is.
func healText(h client.Heal) string {
	text := fmt.Sprintf("%s: %s, because it is %q; %s", h, h.Remedy, h.Condition, percent(h.Operation.Percent))
	if step, ok := h.Operation.CurrentStep(); ok {
		text += ", " + step.Name
		if step.Detail != "" {
			text += ": " + firstOf(step.Detail)
		}
	}
	return text
}

// maintenanceText says from what healing is kept away, until when and why.
func maintenanceText(m client.Maintenance, nodes []client.Node) string {
	text := nodeName(m.NodeID, nodes) + " until " + formatTime(m.Until)
	if m.Reason != "" {
		text += " (" + oneLine(m.Reason) + ")"
	}
	return text
}

// nodeName names a node as an operator would, 0 being all of them.
func nodeName(id int32, nodes []client.Node) string {
	if id == 0 {
		return "the whole cluster"
	}
	for _, n := range nodes {
		if n.ID == id {
			return n.String()
		}
	}
	return "node " + strconv.Itoa(int(id))
}

// notes are sentences about a cluster that its people have to know: about its topics, its volumes and its healing.
func notes(c client.Cluster) []string {
	var lines []string
	if c.Applying != nil {
		lines = append(lines, fmt.Sprintf("%s: its topics are being applied: %s.", c.Name, applyingText(*c.Applying)))
	}
	if c.Growing != nil {
		lines = append(lines, fmt.Sprintf("%s: its volumes are being changed: %s.", c.Name, applyingText(*c.Growing)))
	}
	for _, m := range c.Maintenance {
		lines = append(lines, fmt.Sprintf("%s: maintenance keeps healing away from %s.", c.Name, maintenanceText(m, c.Nodes)))
	}
	if c.Breaker != "" {
		lines = append(lines, fmt.Sprintf("%s: the circuit breaker is open: %s.", c.Name, c.Breaker))
	}
	return append(lines, adviceFor(c.Name+": ", c.Nodes)...)
}

// adviceFor gives what people can do about nodes.
func adviceFor(prefix string, nodes []client.Node) []string {
	var lines []string
	for _, n := range nodes {
		if n.Health != nil && n.Health.Advice != "" {
			lines = append(lines, prefix+n.String()+": "+oneLine(n.Health.Advice))
		}
	}
	return lines
}

// writeLines writes lines, if there are any, after an empty one.
func writeLines(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(lines, "\n"))
	return err
}

// condition is the health of a node in a word or two, as far as somebody has looked.
func condition(n client.Node) string {
	if n.Health == nil {
		return ""
	}
	return string(n.Health.Condition)
}

// reason says why a node is not as it should be: what its agent says or, where that has nothing to say, what was seen from outside.
func reason(n client.Node) string {
	if n.Health.Sick() {
		return cmp.Or(n.Reason, n.Health.Reason)
	}
	return n.Reason
}

// sickNodes names the nodes of a cluster that something is wrong with.
func sickNodes(c client.Cluster) string {
	var sick []string
	for _, n := range c.Nodes {
		if n.Health.Sick() {
			sick = append(sick, n.String()+": "+string(n.Health.Condition))
		}
	}
	return strings.Join(sick, "; ")
}
