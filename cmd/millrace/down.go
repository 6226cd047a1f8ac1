package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the control plane and all brokers",
		Long: `Stops the control plane and then all brokers and controllers, brokers first. It also stops
brokers that a control plane has left running. All data stays where it is: the next
"millrace up" starts everything again.`,
		Example: `  millrace down
  millrace down --data /srv/second`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			layout, err := a.layout()
			if err != nil {
				return err
			}
			done, unlock, err := a.powerDown(c.Context(), layout)
			if err != nil {
				return err
			}
			unlock()
			return a.print(done, done.write)
		},
	}
}

// stopped is what down has done.
type stopped struct {
	Data string `json:"data"`
	// ControlPlane is the process that was stopped; nil when none ran.
	ControlPlane *local.Running `json:"controlPlane"`
	Hosts        int            `json:"hosts"` // that were running
}

func (s stopped) write(w io.Writer) error {
	var parts []string
	if s.ControlPlane != nil {
		parts = append(parts, fmt.Sprintf("the control plane (pid %d)", s.ControlPlane.PID))
	}
	if s.Hosts > 0 {
		parts = append(parts, count(s.Hosts, "host"))
	}
	if len(parts) == 0 {
		_, err := fmt.Fprintf(w, "Nothing runs on %s.\n", s.Data)
		return err
	}
	_, err := fmt.Fprintf(w, "Stopped %s. All data stays in %s.\n", strings.Join(parts, " and "), s.Data)
	return err
}

// powerDown stops everything that runs on a data directory, and holds the directory until unlock.
//
//  1. Stop the control plane, which would start hosts again.
//  2. Take the directory, so that no other one starts meanwhile.
//  3. Stop the hosts.
func (a *app) powerDown(ctx context.Context, layout local.Layout) (done stopped, unlock func(), err error) {
	done = stopped{Data: layout.Dir}
	ours, err := layout.Exists()
	if err != nil || !ours {
		return done, func() {}, err
	}
	if done.ControlPlane, unlock, err = a.takeOver(layout); err != nil {
		return done, nil, err
	}
	hosts := &local.Hosts{Layout: layout}
	if done.Hosts, err = hosts.Running(ctx); err != nil {
		unlock()
		return done, nil, err
	}
	if err := hosts.PowerOff(); err != nil {
		unlock()
		return done, nil, fmt.Errorf("stop the hosts: %w; try again with: %s", err, a.hint("down"))
	}
	return done, unlock, nil
}

// takeOver ends the control plane, if one runs, and takes its place as the holder of the directory. One that starts or
// ends at this moment is waited for.
func (a *app) takeOver(layout local.Layout) (was *local.Running, unlock func(), err error) {
	const patience, pause = 2 * time.Second, 20 * time.Millisecond
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		running, err := layout.Stop()
		if err == nil {
			was = &running
		}
		if err == nil || fault.Is(err, fault.NotFound) {
			unlock, err = layout.Lock()
		}
		if err == nil {
			return was, unlock, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return was, nil, fmt.Errorf("stop the control plane: %w", err)
		}
		if time.Now().After(deadline) {
			return was, nil, fmt.Errorf("stop the control plane: %w; try again with: %s", err, a.hint("down"))
		}
	}
}
