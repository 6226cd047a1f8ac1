// Package hostevents turns what hosts say into events that others follow and metrics that people look at. The stream of
// the control plane's table brings it every heartbeat that hosts write; nothing is read from anywhere else, and nothing is
// decided about clusters.
//
// Every record may come again: the stream repeats a batch in which one record failed. A repeated event says what it said,
// at the same time, and whoever it wakes looks before acting; a repeated metric is the same value at the same time, which
// changes no average, maximum or minimum.
package hostevents

import (
	"context"
	"io"
	"log/slog"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/records"
)

// Handler handles batches of the table's stream. All fields are required.
type Handler struct {
	Deployment string
	Bus        interface {
		// Put puts events on the bus, and gives an error for each: nil for those that the bus has taken.
		Put(ctx context.Context, events ...cluster.HostEvent) []error
	}
	// Metrics is where metrics are written as lines of a log that CloudWatch reads them from: standard output.
	Metrics io.Writer
}

// Handle handles one batch, and names the records that are to come again.
//
//  1. Records that nobody could understand, today or later, are logged and passed over, so that one host can't silence all.
//  2. News becomes events, in the order of the records.
//  3. Of the last heartbeats, each host's latest becomes metrics: a batch spans about a minute, and so does a metric.
func (h Handler) Handle(ctx context.Context, batch events.HeartbeatStream) (events.HeartbeatStreamAnswer, error) {
	var told []cluster.HostEvent
	var by []string // which record told it
	latest := newLatest()
	for _, r := range batch.Records {
		change, err := readRecord(r)
		if err != nil {
			slog.WarnContext(ctx, "passed over a record that can't be read", "record", r.EventID, "error", err)
			continue
		}
		switch change.item {
		case records.NewsBeat:
			for _, e := range EventsOf(change.before, change.after) {
				e.Deployment = h.Deployment
				told, by = append(told, e), append(by, r.Change.SequenceNumber)
			}
		case records.LastBeat:
			latest.add(change.after)
		}
	}
	if err := writeMetrics(h.Metrics, latest.beats()); err != nil {
		return events.HeartbeatStreamAnswer{}, err
	}
	return h.publish(ctx, told, by), nil
}

// publish puts events on the bus. The stream repeats everything from the first record that failed on, so naming that one
// is enough, and naming it once is.
func (h Handler) publish(ctx context.Context, told []cluster.HostEvent, by []string) (answer events.HeartbeatStreamAnswer) {
	if len(told) == 0 {
		return answer
	}
	for i, err := range h.Bus.Put(ctx, told...) {
		e := told[i]
		log := slog.With("event", e.Type, "cluster", e.Cluster, "node", e.Node, "host", e.Host)
		if err == nil {
			log.InfoContext(ctx, "told the bus", "message", e.Message)
			continue
		}
		log.ErrorContext(ctx, "the bus did not take an event; it comes again", "error", err)
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.HeartbeatStreamFailure{ItemIdentifier: by[i]})
	}
	if len(answer.BatchItemFailures) > 1 {
		answer.BatchItemFailures = answer.BatchItemFailures[:1]
	}
	return answer
}
