package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// figure is a promise with what was measured for it.
type figure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Rounds int     `json:"rounds"`
	Ours   float64 `json:"ours"` // the median, as Tuned and Stock
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// Tuned and Stock are of brokers started by hand; 0 where there is nothing to compare with.
	Tuned float64 `json:"tuned,omitempty"`
	Stock float64 `json:"stock,omitempty"`
	// Ratio is ours to tuned.
	Ratio   float64  `json:"ratio,omitempty"`
	Targets []target `json:"targets"`
}

// target is one limit of a promise. What is promised relative to brokers started by hand is so because their time moves
// with the machine.
type target struct {
	Limit    float64 `json:"limit"`
	Relative bool    `json:"relative,omitempty"` // to the tuned brokers, instead of in the figure's unit
	Reached  bool    `json:"reached"`
}

// promise is a figure that has not been measured yet.
type promise struct {
	sample, name, unit string
	limit              float64
	ratio              float64 // 0: not promised
}

// promises are in the order of the table.
var promises = slices.Concat([]promise{
	{createTLS, "create call → first record on 3 brokers, TLS", "s", 7, 1.2},
	{createPlaintext, "create call → first record on 3 brokers, plaintext", "s", 4.5, 1.2},
	{rest, "memory per broker at rest", "MB", 160, 0},
	{remove, "delete call → gone", "s", 3, 0},
	{transitions, "transitions per create", "", 80, 0},
	{ready, "start of the control plane → first answer", "s", 1, 0},
	{down, "down with a running cluster", "s", 3, 0},
	{describeP50, "describe under load, p50", "ms", 0, 0},
	{describeP99, "describe under load, p99", "ms", 20, 0},
	{listP50, "list under load, p50", "ms", 0, 0},
	{listP99, "list under load, p99", "ms", 20, 0},
	{killed + gapOf, "broker killed → every partition is written to again", "s", 4, 0},
	{killed + gapP95, "the same, p95", "s", 4, 0},
	{killed + wholeOf, "broker killed → all replicas in sync", "s", 15, 0},
	{lost + gapOf, "host lost → every partition is written to again", "s", 4, 0},
	{lost + gapP95, "the same, p95", "s", 4, 0},
	{lost + wholeOf, "host lost → replaced, all replicas in sync", "s", 20, 0},
}, topicPromises(), storagePromises(), functionPromises())

// keep judges what was measured for the promise; false when nothing was.
func (p promise) keep(measured map[string][]float64) (figure, bool) {
	values := measured[ours]
	if len(values) == 0 {
		return figure{}, false
	}
	f := figure{
		Name: p.name, Unit: p.unit, Rounds: len(values),
		Ours: median(values), Min: slices.Min(values), Max: slices.Max(values),
		Tuned: median(measured[tuned]), Stock: median(measured[stock]),
	}
	if f.Tuned > 0 {
		f.Ratio = f.Ours / f.Tuned
	}
	if p.ratio > 0 && f.Tuned > 0 {
		f.Targets = append(f.Targets, target{p.ratio, true, f.Ratio <= p.ratio})
	}
	if p.limit > 0 {
		f.Targets = append(f.Targets, target{p.limit, false, f.Ours <= p.limit})
	}
	return f, true
}

func (b *bench) print(w io.Writer) error {
	var figures []figure
	for _, p := range promises {
		if f, ok := p.keep(b.samples[p.sample]); ok {
			figures = append(figures, f)
		}
	}
	if b.output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Kafka   string   `json:"kafka"`
			Machine machine  `json:"machine"`
			LoadNow string   `json:"loadNow"`
			Figures []figure `json:"figures"`
		}{b.version.Release, b.machine, loadAverage(), figures})
	}
	return b.printTable(w, figures)
}

func (b *bench) printTable(w io.Writer, figures []figure) error {
	fmt.Fprintf(w, "\nKafka %s · %s, %d cores · load average %s before, %s after\n\n",
		b.version.Release, b.machine.OS, b.machine.Cores, b.machine.Load, loadAverage())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIGURE\tOURS (MIN–MAX)\tTUNED BY HAND\tSTOCK BY HAND\tRATIO\tTARGET\tREACHED")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%s (%s–%s)\t%s\t%s\t%s\t%s\t%s\n", f.Name,
			amount(f.Ours, f.Unit), number(f.Min), number(f.Max),
			amount(f.Tuned, f.Unit), amount(f.Stock, f.Unit), ratio(f.Ratio), limits(f), reached(f))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, `
Ours and by hand are medians.
Tuned by hand: 3 brokers and 1 controller with the same files, flags and class archive, certificates made beforehand.
Stock by hand: 3 combined nodes, formatted by Kafka's own tool, plaintext, Kafka's own JVM flags with 1 GB of heap; one round.
Under load: 200 requests a second for 10 s, describe and list in turns, 100 clusters stored and listed; until the Go SDK
has decoded the answer, from when the request was due.
Killed and lost: each broker once in every round, under 150 records a second with acks=all and a consumer, over TLS; by hand
somebody starts a killed broker again at once. No acknowledged record was lost, or there would be no figures.
Topics: one call after the other, over 3 brokers, until the Go SDK has decoded the answer; one round.
Volumes: each growth right after the one before, until the brokers' hosts have told of the room, as `+"`millrace storage show`"+` shows it.
MSK documents that the room is there "right away", and the next growth is taken after 6 hours at the earliest, up to 24 hours later.
Functions: zipped for arm64, as they are deployed; started on this machine, with moto for AWS, which is part of the time.`)
	return err
}

func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func amount(v float64, unit string) string {
	if v == 0 {
		return "–"
	}
	return strings.TrimSpace(number(v) + " " + unit)
}

func ratio(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", v)
}

func limits(f figure) string {
	return each(f.Targets, func(t target) string {
		if t.Relative {
			return fmt.Sprintf("≤ %g × tuned", t.Limit)
		}
		return strings.TrimSpace(fmt.Sprintf("≤ %g %s", t.Limit, f.Unit))
	})
}

func reached(f figure) string {
	return each(f.Targets, func(t target) string {
		if t.Reached {
			return "yes"
		}
		return "no"
	})
}

func each(targets []target, text func(target) string) string {
	if len(targets) == 0 {
		return "–"
	}
	texts := make([]string, len(targets))
	for i, t := range targets {
		texts[i] = text(t)
	}
	return strings.Join(texts, ", ")
}
