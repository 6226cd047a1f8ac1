// Package eventbus puts events on an EventBridge bus. What is worth an event is said by who puts it there, and who hears of it
// by the deployment's rules.
package eventbus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// source is who all events are from.
const source = "millrace"

// maxEntries is how many events one call takes: EventBridge's limit.
const maxEntries = 10

// Bus is one event bus.
type Bus struct {
	client *eventbridge.Client
	name   string
}

// New connects to a bus by its name or ARN.
func New(connection sdk.Config, name string) *Bus {
	return &Bus{client: eventbridge.NewFromConfig(connection), name: name}
}

// Put puts events on the bus, in their order, and gives an error for each: nil for those that the bus has taken.
func (b *Bus) Put(ctx context.Context, events ...cluster.HostEvent) []error {
	var errs []error
	for some := range slices.Chunk(events, maxEntries) {
		errs = append(errs, b.put(ctx, some)...)
	}
	return errs
}

func (b *Bus) put(ctx context.Context, events []cluster.HostEvent) []error {
	errs := make([]error, len(events))
	entries, err := b.entries(events)
	if err != nil {
		return fill(errs, err)
	}
	answer, err := b.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	if err != nil {
		return fill(errs, fmt.Errorf("put %d events on bus %s: %w", len(events), b.name, codes.Fault(err)))
	}
	if len(answer.Entries) != len(events) {
		return fill(errs, fault.New(fault.Unavailable, "bus %s answered for %d of %d events", b.name, len(answer.Entries), len(events)))
	}
	for i, result := range answer.Entries {
		if result.ErrorCode != nil {
			errs[i] = b.refused(events[i], result)
		}
	}
	return errs
}

func (b *Bus) entries(events []cluster.HostEvent) (entries []types.PutEventsRequestEntry, err error) {
	for _, e := range events {
		detail, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode event %q: %w", e.Type, err)
		}
		entries = append(entries, types.PutEventsRequestEntry{
			EventBusName: &b.name, Source: sdk.String(source), DetailType: sdk.String(string(e.Type)),
			Detail: sdk.String(string(detail)), Time: &e.At,
		})
	}
	return entries, nil
}

// refused is the error of one entry of a call that succeeded.
func (b *Bus) refused(e cluster.HostEvent, result types.PutEventsResultEntry) error {
	code, known := codes[*result.ErrorCode]
	if !known {
		code = fault.Internal
	}
	return fault.New(code, "bus %s did not take %q of host %s: %s: %s",
		b.name, e.Type, e.Host, *result.ErrorCode, sdk.ToString(result.ErrorMessage))
}

func fill(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}
