package events

// StorageWake is the input of the executions of the machine storage-autoscaling: the name of the cluster to look at, or nothing for
// all. Like [HealthWake] it never says what to do, so one that comes twice, or late, grows nothing twice. What starts them:
//
//   - a host event about a disk on the deployment's bus ([HostEvent]: Disk Fills, Disk Nearly Full, Disk Full), which names its
//     cluster: storage_wake.json is what the rule makes of host_event_disk_fills.json;
//   - an alarm about full volumes sounds (alarm_disk_use.json, an [Alarm]). It names no cluster, so the rule hands over an empty object.
//
// No schedule starts them. Where all of these were lost, health-sweep, which comes each minute, finds a broker that is at its cluster's
// target, and calls the same step itself; so it does where volumes can be merged, of which no event tells.
type StorageWake struct {
	Cluster string `json:"cluster,omitempty"`
}
