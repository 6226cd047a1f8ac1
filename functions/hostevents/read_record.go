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
	switch body.DataType() {
	case lambdaevents.DataTypeString:
		err = json.Unmarshal([]byte(body.String()), &beat)
	case lambdaevents.DataTypeBinary:
		err = json.Unmarshal(body.Binary(), &beat)
	default:
		err = errors.New("its body is neither text nor bytes")
	}
	return beat, err
}

func text(attributes map[string]lambdaevents.DynamoDBAttributeValue, name string) (string, error) {
	value, ok := attributes[name]
	if !ok || value.DataType() != lambdaevents.DataTypeString {
		return "", fmt.Errorf("its key has no %s", name)
	}
	return value.String(), nil
}
