package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the control plane, all clusters and nodes, and what they wait for",
		Long: `Shows whether a control plane runs, the state of each cluster with how far its operation is
and what that waits for, and each node with its address, its state, its health and the reason
for them; then what keeps healing away, and what you can do. "millrace health" tells more of it.`,
		Example: `  millrace status
  millrace status --watch
  millrace status --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/v1
  millrace status --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return a.watchStatus(c.Context())
			}
			s, err := a.report(c.Context())
			if err != nil {
				return err
			}
			return a.print(s, s.write)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changes, until Ctrl-C")
	return c
}

// statusReport is what status shows.
type statusReport interface{ write(w io.Writer) error }

func (a *app) report(ctx context.Context) (statusReport, error) {
	if a.endpoint != "" {
		return a.remoteStatus(ctx)
	}
	return a.status(ctx)
}

// remoteStatus is everything that a control plane elsewhere tells.
type remoteStatus struct {
	Endpoint string           `json:"endpoint"`
	Region   string           `json:"region"`
	Clusters []client.Cluster `json:"clusters"`
}

func (a *app) remoteStatus(ctx context.Context) (remoteStatus, error) {
	plane, err := a.connect(ctx)
	if err != nil {
		return remoteStatus{}, err
	}
	clusters, err := plane.Clusters(ctx)
	return remoteStatus{plane.Endpoint, plane.Region, clusters}, a.explain(plane, err)
}

func (s remoteStatus) write(w io.Writer) error {
	if err := facts(w, [2]string{"Control plane", s.Endpoint + ", region " + s.Region}); err != nil {
		return err
	}
	return writeClusters(w, s.Clusters)
}

// status is everything that runs on a data directory.
type status struct {
	Data         string              `json:"data"`
	ControlPlane *local.Running      `json:"controlPlane"` // nil when none runs
	Hosts        int                 `json:"hosts"`        // that run, with or without a control plane
	Clusters     []client.Cluster    `json:"clusters"`     // known to a running control plane only
	hint         func(string) string // how the user goes on
}

func (a *app) status(ctx context.Context) (status, error) {
	layout, err := a.layout()
	if err != nil {
		return status{}, err
	}
	s := status{Data: layout.Dir, Clusters: []client.Cluster{}, hint: a.hint}
	if s.Hosts, err = (&local.Hosts{Layout: layout}).Running(ctx); err != nil {
		return s, err
	}
	plane, err := find(layout)
	if fault.Is(err, fault.NotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.ControlPlane = &plane.Running
	s.Clusters, err = plane.client().Clusters(ctx)
	return s, a.explain(connection{plane.client(), &plane.Running}, err)
}

func (s status) write(w io.Writer) error {
	if s.ControlPlane == nil {
		return s.writeStopped(w)
	}
	if err := facts(w,
		[2]string{"Control plane", fmt.Sprintf("http://%s, region %s, pid %d", s.ControlPlane.Address, s.ControlPlane.Region, s.ControlPlane.PID)},
		[2]string{"Running since", formatTime(s.ControlPlane.StartedAt)},
		[2]string{"Running hosts", fmt.Sprint(s.Hosts)},
		[2]string{"Data", s.Data},
	); err != nil {
		return err
	}
	return writeClusters(w, s.Clusters)
}

// writeClusters writes how all clusters and their nodes fare, after an empty line.
func writeClusters(w io.Writer, clusters []client.Cluster) error {
	if len(clusters) == 0 {
		_, err := fmt.Fprintf(w, "\nThere are no clusters yet.\n")
		return err
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	if err := writeProgress(w, clusters); err != nil {
		return err
	}
	if err := writeNodes(w, clusters); err != nil {
		return err
	}
	var lines []string
	for _, c := range clusters {
		lines = append(lines, notes(c)...)
	}
	return writeLines(w, lines)
}

func (s status) writeStopped(w io.Writer) error {
	if err := facts(w,
		[2]string{"Control plane", "not running; start it with: " + s.hint("up")},
		[2]string{"Running hosts", fmt.Sprint(s.Hosts)},
		[2]string{"Data", s.Data},
	); err != nil || s.Hosts == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "\nBrokers go on without a control plane. Stop them with: %s\n", s.hint("down"))
	return err
}

// writeProgress writes a line per cluster: its state, how far its operation is, and what that waits for.
func writeProgress(w io.Writer, clusters []client.Cluster) error {
	var rows [][]string
	for _, c := range clusters {
		operation, done, waits := progress(c)
		rows = append(rows, []string{c.Name, string(c.State), c.KafkaVersion, operation, done, waits})
	}
	return table(w, []string{"CLUSTER", "STATE", "KAFKA", "OPERATION", "DONE", "DETAIL"}, rows)
}

// progress says how far the operation of a cluster is and what it waits for, or why the cluster has failed. Where no operation
// is under way it names the nodes that something is wrong with.
func progress(c client.Cluster) (operation, done, waits string) {
	if c.State == cluster.Failed {
		return "", "", failureText(c.Failure)
	}
	op := c.Operation
	if op == nil || op.EndedAt != nil {
		op = c.Growing
	}
	if op == nil {
		return "", "", sickNodes(c)
	}
	if step, ok := op.CurrentStep(); ok {
		waits = step.Name
		if step.Detail != "" {
			waits += ": " + firstOf(step.Detail)
		}
	}
	return string(op.Type), percent(op.Percent), waits
}

// firstOf gives the first of the causes that a step names; the nodes' own lines have the others.
func firstOf(detail string) string {
	causes := strings.Split(detail, "; ")
	if len(causes) == 1 {
		return detail
	}
	return fmt.Sprintf("%s; and %d more", causes[0], len(causes)-1)
}

// watchStatus shows the status whenever it changes, in place on a terminal and one after the other elsewhere.
func (a *app) watchStatus(ctx context.Context) error {
	const pause = 500 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var shown []byte
	for {
		s, err := a.report(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if err != nil {
			return err
		}
		var now bytes.Buffer
		if err := (&app{out: &now, output: a.output}).print(s, s.write); err != nil {
			return err
		}
		if !bytes.Equal(shown, now.Bytes()) {
			if err := a.show(shown != nil, now.Bytes()); err != nil {
				return err
			}
			shown = now.Bytes()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// show writes what has changed: on a terminal in the place of what was there, elsewhere after it.
func (a *app) show(again bool, text []byte) error {
	const homeAndClear = "\x1b[H\x1b[2J"
	switch {
	case a.output == outputJSON: // a stream of documents
	case isTerminal(a.out):
		text = append([]byte(homeAndClear), text...)
	case again:
		text = append([]byte("\n"), text...)
	}
	_, err := a.out.Write(text)
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
