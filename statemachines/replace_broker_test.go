package statemachines_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The ways of a replacement in which all goes well: of a host that is proven dead, and of one that has to be judged.
var (
	replacePath = slices.Concat([]string{"BeginOperation", "RenewKafkaAccess", "IsHostProvenDead"}, anewPath)
	judgedPath  = slices.Concat([]string{
		"BeginOperation", "RenewKafkaAccess", "IsHostProvenDead", "JudgeReplacement", "IsSafeToReplace",
	}, anewPath)

	anewPath = []string{
		"FenceHost", "IsStillToReplace", "CheckHostFenced", "HasHostEnded", "LaunchHost", "CheckHostRunning", "IsHostRunning",
		"AttachVolume", "CheckHostReported", "HasHostReported", "WriteNodeSpec", "CheckNodeJoined", "HasNodeJoined",
		"CheckBrokerInSync", "IsBrokerInSync", "EndOperation", "HasSucceeded", "Succeeded",
	}
)

func TestReplaceBroker_GivesTheNodeAnotherHost(t *testing.T) {
	for _, node := range []int32{2, 1002} {
		inBubble(t, func(w *world) {
			w.spec = small(3)
			w.serving()
			before, err := w.records.Node(t.Context(), clusterID, node)
			if err != nil {
				t.Fatal(err)
			}
			w.platform.Kill(before.Host.ID)
			w.steps = nil
			op := w.heal(w.judged(node, cluster.Replace, cluster.HostDead))
			if state := w.cluster().State(); state != cluster.Healing {
				t.Errorf("meanwhile the cluster is %s", state)
			}
			if x := w.wait(op); x.Status != asl.Succeeded {
				t.Fatalf("%+v", x)
			}
			w.wantPath(op, replacePath)
			w.wantHealed(op)
			w.wantLaunches(node, 2)
			after, err := w.records.Node(t.Context(), clusterID, node)
			if err != nil {
				t.Fatal(err)
			}
			if *after.Address != *before.Address || !reflect.DeepEqual(after.Volume, before.Volume) || after.Host.ID == before.Host.ID ||
				after.SpecGeneration <= before.SpecGeneration || !after.Formatted {
				t.Errorf("%+v became %+v", before, after)
			}
			for _, other := range []int32{1, 2, 3, 1001, 1002, 1003} {
				if steps := w.stepsOf(other); other != node && len(steps) > 0 {
					t.Errorf("node %d, which is well: %v", other, steps)
				}
			}
			want := []string{
				"FenceHost", "CheckHostFenced", "LaunchHost", "CheckHostRunning", "AttachVolume",
				"CheckHostReported", "WriteNodeSpec", "CheckNodeJoined", "CheckBrokerInSync",
			}
			if got := w.stepsOf(node); !slices.Equal(got, want) {
				t.Errorf("node %d: %v", node, got)
			}
		})
	}
}
