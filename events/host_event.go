package events

import "github.com/aws/aws-lambda-go/events"

// HostEvent is what functions/hostevents puts on the deployment's bus, as EventBridge hands it to targets: source
// millrace, and in Detail a cluster.HostEvent, whose message says it in one sentence. The detail types, each with a sample:
//
//   - Broker Joined (host_event_broker_joined.json): a broker works, for the first time or again, also after its agent
//     alone was restarted.
//   - Broker Fenced (host_event_broker_fenced.json): a node lists a broker no more that it listed before. The other brokers
//     of a cluster say so one by one, within a second or two of each other; a broker that is stopped or removed on purpose
//     is told of as well. detail.broker is the one that is gone, detail.nodeId who says so.
//   - Node In Trouble (host_event_node_in_trouble.json): a node fails, was stopped (because going on would risk data, or
//     because its host shuts down), or worked and does not any more; detail.message ends with the agent's reason, which
//     cites Kafka's log where that tells. Not with each attempt to start again: when the node stopped working, and when its
//     first attempt failed. Also when its Kafka does not answer any more, or is held by a signal.
//   - Broker Out Of Sync (host_event_broker_out_of_sync.json): a leader misses a broker that it lists as alive among the in-sync
//     replicas of its partitions. detail.broker is the one that is missed. At most once a minute from each leader.
//   - Controller Behind (host_event_controller_behind.json): the active controller counts another one no more among the voters
//     that have caught up; detail.broker is that one's node id.
//   - Disk Fills (host_event_disk_fills.json): the use of the log volume reached a further step of 5 %, and that is not
//     told by one of the next two; again after it was two steps lower.
//   - Disk Nearly Full (host_event_disk_nearly_full.json): the log volume reached 85 %; again after it was below 80 %.
//   - Disk Full (host_event_disk_full.json): it reached 98 %; again after it was below 95 %.
//   - Certificate Near Its End (host_event_certificate_near_its_end.json): the node's certificate ends in less than 30 days.
//
// Any of them may come twice or late, or be overtaken by a replacement: they are reasons to look, not orders.
type HostEvent = events.EventBridgeEvent
