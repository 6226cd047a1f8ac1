package awsrules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
)

// grow records a growth of the broker's volume as the API does, and runs its machine to its end.
func (w *world) grow(to cluster.VolumeShape) cluster.Operation {
	w.t.Helper()
	return w.change(to, false)
}

// merge is what storage autoscaling does once something can be done about further volumes.
func (w *world) merge() cluster.Operation {
	w.t.Helper()
	return w.change(w.node(broker).Volume.Shape(), true)
}

func (w *world) change(to cluster.VolumeShape, merges bool) cluster.Operation {
	w.t.Helper()
	id, err := w.newVersion()
	if err != nil {
		w.t.Fatal(err)
	}
	op := cluster.Operation{
		ID: "grow-" + id, ClusterID: clusterID, Type: cluster.UpdateStorage, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
		Storage: &cluster.StorageChange{
			Every: to, Volumes: []cluster.VolumeChange{{NodeID: broker, From: w.node(broker).Volume.Shape(), To: to}},
			Merges: merges, Automatic: merges,
		},
	}
	_, err = w.records.StartOperation(w.t.Context(), clusterID, op, func(c *cluster.Cluster) error { op.Claim(c); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(op)
}

// wantVolume checks what the broker's volume is, on record and for EC2.
func (w *world) wantVolume(want cluster.VolumeShape) {
	w.t.Helper()
	v := w.node(broker).Volume
	out, err := ec2.NewFromConfig(w.rules.Config).DescribeVolumes(w.t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{v.ID}})
	if err != nil {
		w.t.Fatal(err)
	}
	throughput := max(want.ThroughputMiB, cluster.BaseThroughputMiB)
	if got := out.Volumes[0]; v.Shape() != want || int(*got.Size) != want.SizeGiB || int(*got.Throughput) != throughput {
		w.t.Errorf("the volume has %s on record, and %d GiB and %d MiB a second for EC2; want %s", v.Shape(), *got.Size, *got.Throughput, want)
	}
}

func TestUpdateBrokerStorage_EndsWellOrSaysWhyWhicheverCallOfAWSFails(t *testing.T) {
	w := newWorldUnder(t, awsrules.Config{ModifyingFor: 50 * time.Millisecond})
	w.wantActive(w.create())
	from := len(w.rules.Calls())
	want := cluster.VolumeShape{SizeGiB: 110, ThroughputMiB: 1000}
	if op := w.grow(want); op.State != cluster.Complete {
		t.Fatalf("%+v", op)
	}
	w.wantVolume(want)
	var made []string
	for _, c := range w.rules.Calls()[from:] {
		// The table's calls fail for every other machine in the same way.
		if name := c.Name(); strings.HasPrefix(name, "ec2:") && !slices.Contains(made, name) {
			made = append(made, name)
		}
	}
	for _, name := range made {
		for _, kind := range troubles(name, awsrules.Throttle, awsrules.LostAnswer, awsrules.AccessDenied, awsrules.ServerError) {
			t.Run(fmt.Sprintf("%s, %s", name, kind), func(t *testing.T) {
				w.t = t
				want.SizeGiB += 10
				struck := w.rules.Struck(name)
				w.rules.Fail(name, kind, times(kind))
				op := w.grow(want)
				if w.rules.Struck(name) == struck {
					t.Fatalf("%s was never made", name)
				}
				w.rules.Heal()
				if kind == awsrules.AccessDenied {
					if op.State != cluster.OperationFailed || !strings.Contains(op.Failure.Message, name+" is not allowed") {
						t.Errorf("%s, %+v", op.State, op.Failure)
					}
					op = w.grow(want)
				}
				if op.State != cluster.Complete {
					t.Fatalf("%+v", op)
				}
				w.wantVolume(want)
			})
		}
	}
	w.t = t
	w.delete("delete")
	w.wantNothingLeft()
}

func TestUpdateBrokerStorage_SaysWhenEBSTakesNoChangeYet(t *testing.T) {
	w := newWorldUnder(t, awsrules.Config{ChangesAgainAfter: time.Hour})
	w.wantActive(w.create())
	first := cluster.VolumeShape{SizeGiB: 110}
	if op := w.grow(first); op.State != cluster.Complete {
		t.Fatalf("%+v", op)
	}
	op := w.grow(cluster.VolumeShape{SizeGiB: 200})
	if op.State != cluster.OperationFailed || !strings.Contains(op.Failure.Message, "no volume was changed; broker 1: ") ||
		!strings.Contains(op.Failure.Message, "try again at 20") {
		t.Errorf("%s, %+v", op.State, op.Failure)
	}
	w.wantVolume(first)
	if c := w.cluster(); c.State() != cluster.Active || c.Spec.VolumeGiB != first.SizeGiB || op.Storage.Altered() {
		t.Errorf("the cluster is %s with %d GiB, the operation about %+v", c.State(), c.Spec.VolumeGiB, op.Storage)
	}
}

// A volume that rests grows by a further one, which goes again once the first takes changes: whichever call of EC2 fails meanwhile.
func TestUpdateBrokerStorage_GrowsByFurtherVolumesWhicheverCallOfEC2Fails(t *testing.T) {
	w := newWorldUnder(t, awsrules.Config{ChangesAgainAfter: time.Hour, DetachingFor: 50 * time.Millisecond})
	w.joins = true
	w.wantActive(w.create())
	size := cluster.VolumeShape{SizeGiB: 100}
	grow := func() cluster.Operation {
		size.SizeGiB += 10
		return w.grow(size)
	}
	if op := grow(); op.State != cluster.Complete {
		t.Fatalf("%+v", op)
	}
	wantFurther := func(want int) {
		t.Helper()
		disks := w.rules.Disks(w.node(broker).Host.ID)
		if v := w.node(broker).Volume; len(v.Further) != want || len(disks) != want+1 || v.SizeGiB != size.SizeGiB {
			t.Errorf("further volumes are %+v of %d GiB, its host has %+v; want %d of %d GiB", v.Further, v.SizeGiB, disks, want, size.SizeGiB)
		}
	}
	for _, kind := range []awsrules.Kind{awsrules.LostAnswer, awsrules.ServerError} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			w.t = t
			struck := map[string]int{}
			for _, name := range []string{"ec2:CreateVolume", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:DeleteVolume"} {
				struck[name] = w.rules.Struck(name)
				w.rules.Fail(name, kind, times(kind))
			}
			op := grow()
			if op.State != cluster.Complete {
				t.Fatalf("%+v", op)
			}
			wantFurther(1)
			w.rules.LetVolumesRest()
			if op := grow(); op.State != cluster.Complete {
				t.Fatalf("%+v", op)
			}
			for tries := 0; len(w.node(broker).Volume.Further) > 0 && tries < 20; tries++ {
				w.merge()
			}
			wantFurther(0)
			for name, before := range struck {
				if w.rules.Struck(name) == before {
					t.Errorf("%s was never made", name)
				}
			}
			w.rules.Heal()
		})
	}
	w.t = t
	if op := grow(); op.State != cluster.Complete {
		t.Fatalf("%+v", op)
	}
	wantFurther(1)
	w.delete("delete")
	w.wantNothingLeft()
}
