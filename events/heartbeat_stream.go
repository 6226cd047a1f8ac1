package events

import "github.com/aws/aws-lambda-go/events"

// HeartbeatStream is a batch of changes of the table, as its stream hands them to functions/hostevents. That is deployed
// twice: hostevents gets those of the sort key news at once, hostmetrics those of last about once a minute. Keys are
// pk (beat# and the host's aws:userid) and sk; both images hold the heartbeat as JSON in body.
//
// Samples: heartbeat_news.json, a broker that has lost another; heartbeat_last.json, two heartbeats in peace.
type HeartbeatStream = events.DynamoDBEvent

// HeartbeatStreamAnswer names the record from which on the stream repeats the batch; with none, all is done.
type HeartbeatStreamAnswer = events.DynamoDBEventResponse

// HeartbeatStreamFailure is one record to be repeated, by its sequence number.
type HeartbeatStreamFailure = events.DynamoDBBatchItemFailure
