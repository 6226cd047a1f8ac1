package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/shared/platform/local"
)

func (a *app) resetCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "reset",
		Short: "Remove all clusters with their records, and everything else in the data directory",
		Long: `Stops everything, as "millrace down" does, and then removes all that Millrace keeps in the
data directory: clusters, the records in their topics, configurations and access keys. It
asks before it does, and refuses a directory that is not Millrace's.`,
		Example: `  millrace reset
  millrace reset --yes --data /srv/second`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.reset(c.Context(), yes) },
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// removed is what reset has done.
type removed struct {
	stopped
	Removed bool     `json:"removed"` // false when there was nothing
	Kept    []string `json:"kept"`    // names in the directory that are not Millrace's
}

func (a *app) reset(ctx context.Context, yes bool) error {
	layout, err := a.layout()
	if err != nil {
		return err
	}
	there, err := isDataDirectory(layout)
	if err != nil {
		return err
	}
	if !there {
		nothing := removed{stopped: stopped{Data: layout.Dir}, Kept: []string{}}
		return a.print(nothing, nothing.write)
	}
	if !yes {
		if err := a.confirm(layout); err != nil {
			return err
		}
	}
	done, unlock, err := a.powerDown(ctx, layout)
	if err != nil {
		return err
	}
	defer unlock()
	kept, err := layout.Remove()
	if err != nil {
		return fmt.Errorf("remove %s: %w", layout.Dir, err)
	}
	result := removed{stopped: done, Removed: true, Kept: append([]string{}, kept...)}
	return a.print(result, result.write)
}

// isDataDirectory refuses a directory that holds something and is not Millrace's; false for one that holds nothing.
func isDataDirectory(layout local.Layout) (bool, error) {
	ours, err := layout.Exists()
	if err != nil || ours {
		return ours, err
	}
	foreign, err := layout.Foreign()
	if err != nil {
		return false, err
	}
	if len(foreign) > 0 {
		return false, fmt.Errorf("%s is not a data directory of Millrace, so nothing was removed; name the right one with --data", layout.Dir)
	}
	return false, nil
}

func (a *app) confirm(layout local.Layout) error {
	sure, err := a.ask(fmt.Sprintf("This removes every cluster in %s with all of its records.", layout.Dir))
	if err == nil && !sure {
		err = errors.New("nothing was removed; answer yes, or give --yes, to remove it")
	}
	return err
}

// ask says what is about to happen, and whether the user answers yes to it.
func (a *app) ask(what string) (yes bool, err error) { return a.askFor(what, "yes") }

// askFor says what is about to happen, and whether the user types what it takes.
func (a *app) askFor(what, it string) (typed bool, err error) {
	fmt.Fprintf(a.err, "%s Type %s to go on: ", what, it)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(a.err) // the user, or whatever it was, has ended no line
	}
	return strings.TrimSpace(answer) == it, nil
}

func (r removed) write(w io.Writer) error {
	if !r.Removed {
		_, err := fmt.Fprintf(w, "There is nothing in %s to remove.\n", r.Data)
		return err
	}
	_, err := fmt.Fprintf(w, "Removed everything of Millrace's from %s.\n", r.Data)
	if len(r.Kept) > 0 {
		_, err = fmt.Fprintf(w, "It stays, because it also holds: %s\n", strings.Join(r.Kept, ", "))
	}
	return err
}
