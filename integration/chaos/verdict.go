package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/millrace/millrace/integration/load"
)

// verdict is what clients and operators have to say at the end.
type verdict struct {
	Seed   uint64
	Faults int
	load.Report
	// Replaced counts the hosts that were lost and replaced, Needless what was replaced, or tried to, beyond that.
	Replaced int
	Needless []string
	// Failures are what else must not be: a cluster that does not come to order, or a healing that failed.
	Failures []string
}

// complaints counts what must not be, by its name.
func (v verdict) complaints() []struct {
	what  string
	count int
} {
	return []struct {
		what  string
		count int
	}{
		{"acknowledged records lost", v.Lost},
		{"reordered", v.Reordered},
		{"duplicated", v.Duplicated},
		{"delivered otherwise than they lie in the log", v.Misdelivered},
		{"sends given up", len(v.Report.Failures)},
		{"slots of 5 s without a successful write", v.EmptySlots},
		{"needless replacements", len(v.Needless)},
		{"other failures", len(v.Failures)},
	}
}

// fine tells whether nobody has reason to complain. Somebody who has written nothing has no say.
func (v verdict) fine() bool {
	for _, c := range v.complaints() {
		if c.count > 0 {
			return false
		}
	}
	return v.Faults > 0 && v.Acknowledged > 0
}

func (v verdict) write(w io.Writer) error {
	fmt.Fprintf(w, "\nSeed %d: %d things went wrong, %d hosts were replaced; %d records were acknowledged, and no partition waited longer than %.1f s for that.\n\n",
		v.Seed, v.Faults, v.Replaced, v.Acknowledged, v.LongestGap.Seconds())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range v.complaints() {
		mark := "✓"
		if c.count > 0 {
			mark = "✗"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\n", mark, c.count, c.what)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, texts := range [][]string{v.Examples, v.Needless, v.Failures} {
		for _, text := range texts {
			fmt.Fprintf(w, "  %s\n", text)
		}
	}
	for _, err := range v.Report.Failures[:min(10, len(v.Report.Failures))] {
		fmt.Fprintf(w, "  %v\n", err)
	}
	return nil
}

// judge stops the load and looks at what is left.
func (s *soak) judge(ctx context.Context, v *verdict) {
	if ctx.Err() != nil {
		return
	}
	slots := s.load.EmptySlots(slot)
	stopping, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	report, err := s.load.Stop(stopping)
	if err != nil {
		v.Failures = append(v.Failures, err.Error())
	}
	v.Report = report
	v.EmptySlots = max(v.EmptySlots, slots)
	heals, err := s.heals()
	if err != nil {
		v.Failures = append(v.Failures, "heal history: "+err.Error())
	}
	v.judgeHeals(heals, s.lost)
	if len(v.Failures) > 0 {
		return // whatever is not in order has been told
	}
	if err := s.await(ctx, func() (bool, string) { return s.inOrder(ctx) }); err != nil {
		v.Failures = append(v.Failures, "at the end: "+err.Error())
	}
}

// judgeHeals holds what was healed to what had gone wrong: each host that was lost is replaced, once and well, and no other.
func (v *verdict) judgeHeals(heals []heal, lost map[string]bool) {
	replaced := map[string]bool{}
	for _, h := range heals {
		if f := h.Operation.Failure; f != nil {
			v.Failures = append(v.Failures, fmt.Sprintf("operation %s, %s of node %d: %s", h.Operation.ID, h.Remedy, h.NodeID, f.Message))
		}
		if h.Remedy != "replace" {
			continue
		}
		if !lost[h.Host] || replaced[h.Host] {
			v.Needless = append(v.Needless, fmt.Sprintf("operation %s: host %s of node %d, because it was %q", h.Operation.ID, h.Host, h.NodeID, h.Condition))
			continue
		}
		replaced[h.Host] = true
		v.Replaced++
	}
	for host := range lost {
		if !replaced[host] {
			v.Failures = append(v.Failures, fmt.Sprintf("host %s was lost and has no operation that replaced it", host))
		}
	}
}
