package topicadmin_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/platform/local"
)

func TestGroups_AreLookedAtAndChangedByErrands(t *testing.T) {
	w := build(t)
	pool := &kafkatest.Pool{}
	w.caller = local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: w.records, Kafka: pool, Now: time.Now})}
	at := cluster.TopicPartition{Topic: "payments", ID: 0}
	g := cluster.Group{ID: "billing", Type: "classic", State: "Empty", Coordinator: 1, Offsets: []cluster.GroupOffset{
		{TopicPartition: at, Committed: 4, End: 10, Lag: new(int64(6))},
	}}
	pool.SetGroup(g)
	ctx := t.Context()
	listed, err := errand.Run[errand.Groups](ctx, w.caller, "ListGroups", errand.ListGroups{ClusterID: "c"})
	if err != nil || len(listed.Groups) != 1 || listed.Groups[0].ID != "billing" || *listed.Groups[0].Lag != 6 {
		t.Errorf("listed %+v, %v", listed, err)
	}
	described, err := errand.Run[cluster.Group](ctx, w.caller, "DescribeGroup", errand.DescribeGroup{ClusterID: "c", Group: "billing"})
	if err != nil || !reflect.DeepEqual(described, g) {
		t.Errorf("described %+v, %v; want %+v", described, err, g)
	}
	of := errand.OffsetsOf{ClusterID: "c", Group: "billing", Topic: "payments", Partitions: []int32{0}}
	for _, dryRun := range []bool{true, false} {
		of.DryRun = dryRun
		reset, err := errand.Run[errand.OffsetChanges](ctx, w.caller, "ResetOffsets", errand.ResetOffsets{OffsetsOf: of, To: cluster.OffsetTarget{Offset: new(int64(7))}})
		if want := []cluster.OffsetChange{{TopicPartition: at, From: 4, To: 7}}; err != nil || !reflect.DeepEqual(reset.Changes, want) {
			t.Errorf("dry run %t: reset %+v, %v; want %+v", dryRun, reset.Changes, err, want)
		}
	}
	for _, dryRun := range []bool{true, false} {
		of.DryRun = dryRun
		deleted, err := errand.Run[errand.OffsetChanges](ctx, w.caller, "DeleteOffsets", errand.DeleteOffsets{OffsetsOf: of})
		if want := []cluster.OffsetChange{{TopicPartition: at, From: 7, To: -1}}; err != nil || !reflect.DeepEqual(deleted.Changes, want) {
			t.Errorf("dry run %t: deleted %+v, %v; want %+v", dryRun, deleted.Changes, err, want)
		}
	}
	if _, err := errand.Run[errand.Done](ctx, w.caller, "DeleteGroup", errand.DeleteGroup{ClusterID: "c", Group: "billing"}); err != nil {
		t.Error(err)
	}
	_, err = errand.Run[cluster.Group](ctx, w.caller, "DescribeGroup", errand.DescribeGroup{ClusterID: "c", Group: "billing"})
	wantNo(t, err, fault.NotFound, "GROUP_ID_NOT_FOUND")
	pool.FailNext("DeleteGroup", fault.Refused(fault.Conflict, "NON_EMPTY_GROUP", "it has a member"))
	_, err = errand.Run[errand.Done](ctx, w.caller, "DeleteGroup", errand.DeleteGroup{ClusterID: "c", Group: "billing"})
	wantNo(t, err, fault.Conflict, "NON_EMPTY_GROUP")
}
