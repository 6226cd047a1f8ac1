package events

import "github.com/aws/aws-lambda-go/events"

// HealthWake is the input of the executions of the machine health-sweep: the name of the cluster to look at, or nothing for
// all. It never says what to do: whoever is woken looks, and what is true then counts. What starts them, each with a sample:
//
//   - a host event on the deployment's bus ([HostEvent]), which names its cluster: health_wake.json is what the rule makes
//     of host_event_broker_fenced.json;
//   - EC2 says that an instance stops or ends, or is about to be taken away (instance_ends.json, spot_interruption.json,
//     both [HostNotice]). They name an instance alone, so the rules hand over an empty object;
//   - an alarm about health sounds (alarm.json, an [Alarm]), likewise;
//   - the schedule, each minute ([Schedule]).
type HealthWake struct {
	Cluster string `json:"cluster,omitempty"`
}

// HostNotice is what EC2 says of an instance on the account's default bus; the instance need not be ours. In Detail is
// instance-id, with state or instance-action.
type HostNotice = events.EventBridgeEvent

// Alarm is a change of an alarm's state, as CloudWatch puts it on the account's default bus.
type Alarm = events.EventBridgeEvent
