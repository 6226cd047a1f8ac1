package statemachines_test

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The way of a delete in which all goes well.
var deletePath = []string{
	"BeginOperation", "PlanTeardown", "RemoveNodes", "ForgetNodes", "EndOperation", "HasSucceeded", "Succeeded",
}

func TestDeleteCluster_LeavesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wait(w.create(small(3)))
		w.steps = nil
		op := w.delete("delete")
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%+v", x)
		}
		w.wantPath(op, deletePath)
		w.wantNothingLeft()
		for _, node := range []int32{1, 2, 3, 1001, 1002, 1003} {
			want := []string{"RetireHost", "CheckHostRetired", "RemoveVolume", "ReleaseAddress"}
			if got := w.stepsOf(node); !slices.Equal(got, want) {
				t.Errorf("node %d: %v", node, got)
			}
		}
	})
}
