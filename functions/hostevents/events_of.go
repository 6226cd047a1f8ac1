package hostevents

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// EventsOf is what a heartbeat tells others that the one before it (nil for the first) did not. Each event marks a change,
// so a node that stays as it is is told of once.
func EventsOf(before *nodespec.Heartbeat, now nodespec.Heartbeat) (told []cluster.HostEvent) {
	if now.Cluster == "" {
		return nil // it has not read a spec yet, so it is nobody's
	}
	tell := func(what cluster.HostEventType, broker int32, format string, args ...any) {
		told = append(told, cluster.HostEvent{
			Type: what, At: now.At, Cluster: now.Cluster, Node: now.NodeID, Role: now.Role, Host: now.HostID, Broker: broker,
			Message: fmt.Sprintf("%s %d of %s ", now.Role, now.NodeID, now.Cluster) + fmt.Sprintf(format, args...),
		})
	}
	if before == nil {
		before = &nodespec.Heartbeat{}
	}
	if joined(*before, now) {
		tell(cluster.BrokerJoined, 0, "is a member of its cluster and lists the brokers %v as alive", now.Brokers)
	}
	for _, broker := range fenced(*before, now) {
		tell(cluster.BrokerFenced, broker, "does not list broker %d as alive any more", broker)
	}
	for _, broker := range newTo(before.LivingOutOfSync(), now.LivingOutOfSync()) {
		tell(cluster.BrokerOutOfSync, broker, "misses broker %d among the in-sync replicas of %d of the partitions that it leads",
			broker, now.Replication.OutOfSync[broker])
	}
	for _, voter := range fallenBehind(*before, now) {
		tell(cluster.ControllerBehind, voter, "does not count controller %d among the voters that have caught up any more", voter)
	}
	switch {
	case now.Held() && before.Held(): // what else follows from it was to be expected
	case now.Held():
		tell(cluster.NodeInTrouble, 0, "is %s, and its Kafka process %d is held by a signal", now.State, now.Process.PID)
	case now.SilentSince != nil && before.SilentSince == nil:
		tell(cluster.NodeInTrouble, 0, "is %s, and its Kafka does not answer any more: %s", now.State, now.Reason)
	case inTrouble(*before, now):
		tell(cluster.NodeInTrouble, 0, "is %s: %s", now.State, now.Reason)
	}
	tellOfDisk(tell, *before, now)
	if now.CertificateNearItsEnd() && !before.CertificateNearItsEnd() {
		tell(cluster.CertificateNearItsEnd, 0, "has a certificate that ends at %s", now.CertificateEnds.UTC().Format("2006-01-02 15:04 MST"))
	}
	return told
}

// tellOfDisk tells the most of a disk that fills: each of the three events is a reason to look at it.
func tellOfDisk(tell func(what cluster.HostEventType, broker int32, format string, args ...any), before, now nodespec.Heartbeat) {
	nearly, full := now.DiskNearlyFull() && !before.DiskNearlyFull(), now.DiskFull() && !before.DiskFull()
	if nearly {
		tell(cluster.DiskNearlyFull, 0, "has a log volume that is %.1f %% full", now.Disk.UsedPercent())
	}
	if full {
		tell(cluster.DiskFilled, 0, "has a log volume that is full: %d of %d bytes are free",
			now.Disk.FreeBytes(), now.Disk.TotalBytes)
	}
	seen := before.Disk != nil && now.Disk != nil // a new host tells nothing new of an old volume
	if seen && !nearly && !full && now.Disk.FillsBeyond(before.Disk) {
		tell(cluster.DiskFills, 0, "has a log volume that fills, and is %.1f %% full now", now.Disk.UsedPercent())
	}
}

func joined(before, now nodespec.Heartbeat) bool {
	return now.Role == cluster.Broker && now.State == nodespec.Running && before.State != nodespec.Running
}

// fenced are the brokers that a running node listed and lists no more. A node that does not run, or whose Kafka did not
// answer, lists nobody, and that says nothing of the others.
func fenced(before, now nodespec.Heartbeat) (gone []int32) {
	if before.State != nodespec.Running || now.State != nodespec.Running || len(now.Brokers) == 0 {
		return nil
	}
	return newTo(now.Brokers, before.Brokers)
}

// fallenBehind are the voters that have caught up no more. From an active controller that has just become it, those are all
// that are behind; whoever was told of them before looks once more and finds the same.
func fallenBehind(before, now nodespec.Heartbeat) []int32 {
	was, _ := before.Behind()
	is, _ := now.Behind()
	return newTo(was, is)
}

// newTo are the ids that were not there before.
func newTo(before, now []int32) (added []int32) {
	for _, id := range now {
		if !slices.Contains(before, id) {
			added = append(added, id)
		}
	}
	return added
}

// inTrouble tells whether a node came into trouble: it fails or was stopped, or it worked and does not any more although
// nobody told it anything new. One that fails to start again and again is told of at most twice: when it stopped working,
// and at its first attempt.
func inTrouble(before, now nodespec.Heartbeat) bool {
	switch now.State {
	case nodespec.Failing:
		return before.State != nodespec.Failing && before.FailedStarts == 0
	case nodespec.Stopped:
		return before.State != nodespec.Stopped
	case nodespec.Starting, nodespec.Preparing, nodespec.Waiting:
		return before.State == nodespec.Running && before.Generation == now.Generation
	case nodespec.Running:
	}
	return false
}
