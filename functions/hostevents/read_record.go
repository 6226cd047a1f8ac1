package hostevents

import (
	"encoding/json"
	"errors"
	"fmt"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

// change is a heartbeat that was written over another.
type change struct {
	item   string              // which of a host's items it is: its sort key
	before *nodespec.Heartbeat // nil when there was none, or none that can be read
	after  nodespec.Heartbeat
}

// readRecord reads a record of the stream. Changes of other items, and removals, are no heartbeats and change nothing:
// their item is empty.
func readRecord(r lambdaevents.DynamoDBEventRecord) (c change, err error) {
	partition, err := text(r.Change.Keys, "pk")
	if err != nil {
		return c, err
	}
	sort, err := text(r.Change.Keys, "sk")
	if err != nil {
		return c, err
	}
	hostID, isBeat := records.HostOfBeat(partition)
	if !isBeat || sort != records.NewsBeat && sort != records.LastBeat || len(r.Change.NewImage) == 0 {
		return c, nil
	}
	if c.after, err = heartbeat(r.Change.NewImage); err != nil {
		return c, fmt.Errorf("%s/%s: %w", partition, sort, err)
	}
	// A host may write whatever it likes into its own partition, and speaks for nobody else.
	if c.after.HostID != hostID {
		return c, fmt.Errorf("%s/%s holds a heartbeat of host %q", partition, sort, c.after.HostID)
	}
	if before, err := heartbeat(r.Change.OldImage); err == nil {
		c.before = &before
	}
	c.item = sort
	return c, nil
}

func heartbeat(image map[string]lambdaevents.DynamoDBAttributeValue) (beat nodespec.Heartbeat, err error) {
	body, ok := image["body"]
	if !ok {
		return beat, errors.New("it has no body")
	}
	// A document is text where it is UTF-8, and bytes otherwise.
	var document []byte
	switch body.DataType() {
	case lambdaevents.DataTypeString:
		document = []byte(body.String())
	case lambdaevents.DataTypeBinary:
		document = body.Binary()
	default:
		return beat, errors.New("its body is neither text nor bytes")
	}
	if len(document) > longest {
		return beat, fmt.Errorf("its body of %d bytes is longer than any heartbeat, of at most %d", len(document), longest)
	}
	return beat, json.Unmarshal(document, &beat)
}

// longest is twice what an agent makes of a heartbeat. What ten of them tell fits into one call of EventBridge's (256 KB), so
// that a host which writes more than its agent would can't have the events of others refused with its own.
const longest = 16 << 10

func text(attributes map[string]lambdaevents.DynamoDBAttributeValue, name string) (string, error) {
	value, ok := attributes[name]
	if !ok || value.DataType() != lambdaevents.DataTypeString {
		return "", fmt.Errorf("its key has no %s", name)
	}
	return value.String(), nil
}
