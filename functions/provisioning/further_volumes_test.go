package provisioning_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/serve"
)

// stores records that the volume of broker 2 is to change, as the operation of that id.
func (s *site) stores(t *testing.T, id string, toGiB int, merges bool) {
	t.Helper()
	from := s.node(t, 2).Volume.Shape()
	to := cluster.VolumeShape{SizeGiB: toGiB}
	op := cluster.Operation{
		ID: id, ClusterID: "c", Type: cluster.UpdateBrokerStorage, State: cluster.InProgress, Attempt: 1, Deadline: s.now.Add(time.Hour),
		Storage: &cluster.StorageChange{Volumes: []cluster.VolumeChange{{NodeID: 2, From: from, To: to}}, Every: to, Merges: merges},
	}
	op.Steps = op.Plan()
	if _, err := s.records.StartOperation(t.Context(), "c", op, func(c *cluster.Cluster) error { op.Claim(c); return nil }); err != nil {
		t.Fatal(err)
	}
}

// says is a heartbeat of broker 2's host, of its log volume as that host finds it.
func (s *site) says(t *testing.T) {
	t.Helper()
	n := s.node(t, 2)
	volumes, left, gib, ok := s.LogVolume(cluster.Token{ClusterID: "c", NodeID: 2}, n.Host.ID)
	if !ok {
		t.Fatalf("%s has not all of its volumes", n)
	}
	s.runs(t, n, nodespec.Heartbeat{Disk: &nodespec.Disk{TotalBytes: int64(gib) << 30, UsedBytes: 1, Volumes: volumes, Left: left}})
}

// until runs a step of an operation again and again until it ends without an error, as the machine and its sweep do.
func (s *site) until(t *testing.T, step, id string) {
	t.Helper()
	var err error
	for range 5 {
		if _, err = s.steps.Invoke(t.Context(), fmt.Appendf(nil, `{"step":%q,"clusterId":"c","operationId":%q,"nodeId":2}`, step, id)); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", step, err)
}

// Whoever makes, attaches or takes away a further volume may die before the platform is asked, or before its answer is on record.
// Whoever goes on finds what there is: nothing is made twice, nothing is lost, and nothing stays.
func TestFurtherVolumes_ComeAndGoThroughACrashAtAnyPoint(t *testing.T) {
	for _, call := range []string{"GrowVolume", "VolumeSize", "EnsureVolume", "AttachVolume", "VolumeGrown", "DetachVolume", "DeleteVolume"} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asked %t", call, lost), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := openWard(t)
					s.GrowsWithin, s.ChangesAgainAfter = 0, time.Hour
					s.Rest()
					s.says(t)
					s.Trouble(call, &platformtest.Trouble{Times: 1, Lost: lost, Err: fault.New(fault.Internal, "killed")})

					s.stores(t, "grow", 150, false)
					s.until(t, "GrowVolume", "grow")
					s.until(t, "CheckVolumeGrown", "grow")
					n := s.node(t, 2)
					if v := n.Volume; v.SizeGiB != 150 || len(v.Further) != 1 || v.Further[0].SizeGiB != 50 || v.Added != 1 || len(s.VolumesOf(n.Host.ID)) != 2 {
						t.Fatalf("the volume is %+v, the host has %+v", v, s.VolumesOf(n.Host.ID))
					}
					s.says(t)
					s.edit(t, "grow", func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K3", s.now) })

					for _, merge := range []string{"merge-1", "merge-2"} {
						time.Sleep(time.Hour)
						s.stores(t, merge, 150, true)
						s.until(t, "RetireVolumes", merge)
						s.until(t, "GrowVolume", merge)
						s.until(t, "CheckVolumeGrown", merge)
						s.edit(t, merge, func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K4", s.now) })
						s.says(t)
					}
					n = s.node(t, 2)
					if v := n.Volume; v.SizeGiB != 150 || len(v.Further) != 0 || len(s.VolumesOf(n.Host.ID)) != 1 || len(s.Harm()) > 0 {
						t.Errorf("the volume is %+v, the host has %+v; %v", v, s.VolumesOf(n.Host.ID), s.Harm())
					}
				})
			})
		}
	}
}

// Only the word of the node's own host, and a fresh one, takes a volume away.
func TestRetireVolumes_TakesNothingOnAnOldWordOrAnothers(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, s *site){
		"the word is old":          func(_ *testing.T, s *site) { s.now = s.now.Add(nodespec.FreshFor) },
		"the host has not left it": func(t *testing.T, s *site) { s.says(t) },
		"the host has nothing mounted": func(t *testing.T, s *site) {
			s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: &nodespec.Disk{Left: []string{"vol-c-2-v1"}}})
		},
		"the node has another host by now": func(t *testing.T, s *site) {
			s.Kill(s.node(t, 2).Host.ID)
			s.heal(t, "heal", 2, cluster.Replace, cluster.HostDead)
			s.do(t, 2, "LaunchHost")
		},
		"the operation is about something else": func(t *testing.T, s *site) {
			s.edit(t, "merge", func(_ *cluster.Cluster, op *cluster.Operation) { op.Storage.Merges = false })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openWard(t)
				s.ChangesAgainAfter = time.Hour
				s.Rest()
				s.says(t)
				s.stores(t, "grow", 150, false)
				s.until(t, "GrowVolume", "grow")
				s.until(t, "CheckVolumeGrown", "grow")
				s.says(t)
				s.edit(t, "grow", func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K3", s.now) })
				s.stores(t, "merge", 150, true)
				s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: &nodespec.Disk{Volumes: []string{"vol-c-2"}, Left: []string{"vol-c-2-v1"}}})
				spoil(t, s)
				s.until(t, "RetireVolumes", "merge")
				if f := s.node(t, 2).Volume.Further; len(f) != 1 || !f[0].LeftAt.IsZero() || len(s.Harm()) > 0 {
					t.Errorf("%+v; %v", f, s.Harm())
				}
			})
		})
	}
}

// recorded sets what is on record of broker 2's volume.
func (s *site) recorded(t *testing.T, edit func(*cluster.Volume)) {
	t.Helper()
	if _, err := s.records.ChangeNode(t.Context(), "c", 2, func(n *cluster.Node) error {
		edit(n.Volume)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// ask runs a step of an operation once.
func (s *site) ask(t *testing.T, step, id string, out any) error {
	t.Helper()
	answer, err := s.steps.Invoke(t.Context(), fmt.Appendf(nil, `{"step":%q,"clusterId":"c","operationId":%q,"nodeId":2}`, step, id))
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// While another operation's change of the first volume is under way, its host sees less of it than it is about to have.
func TestGrowVolume_MakesNoFurtherOneUntilTheFirstHasWhatItCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.GrowsWithin, s.ChangesAgainAfter = time.Minute, time.Hour
		s.says(t)
		if err := s.GrowVolume(t.Context(), "vol-c-2", cluster.VolumeShape{SizeGiB: 120}); err != nil {
			t.Fatal(err)
		}
		s.stores(t, "grow", 150, false)
		for range 2 {
			wantCode(t, s.ask(t, "GrowVolume", "grow", new(provisioning.GrowVolumeOutput)), fault.Unavailable)
		}
		if v := s.node(t, 2).Volume; len(v.Further) != 0 || v.Added != 0 {
			t.Fatalf("meanwhile the volume is %+v", v)
		}
		time.Sleep(time.Minute)
		s.until(t, "GrowVolume", "grow")
		if v := s.node(t, 2).Volume; len(v.Further) != 1 || v.Further[0].SizeGiB != 30 || v.FirstGiB != 120 {
			t.Errorf("the volume is %+v", v)
		}
	})
}

// What is on record may be more than there is. Whoever only waited for it would keep all growths of the cluster waiting.
func TestGrowVolume_AMergeWaitsForNothingThatItHasNotAskedFor(t *testing.T) {
	for name, further := range map[string][]cluster.FurtherVolume{
		"no further one is left":       nil,
		"the one further holds little": {{Number: 1, ID: "vol-c-2-v1", SizeGiB: 20, WholeGiB: 100}},
	} {
		for _, rests := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, rests %t", name, rests), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := openWard(t)
					s.GrowsWithin = 0
					if rests {
						s.ChangesAgainAfter = time.Hour
						s.Rest()
					}
					s.recorded(t, func(v *cluster.Volume) {
						v.SizeGiB, v.Further = 150, further
						if len(further) > 0 {
							v.FirstGiB = 100
						}
					})
					s.stores(t, "merge", 150, true)
					var asked provisioning.GrowVolumeOutput
					if err := s.ask(t, "GrowVolume", "merge", &asked); err != nil || asked.Refused != rests {
						t.Fatalf("%+v, %v", asked, err)
					}
					if v := s.node(t, 2).Volume; v.MergeAt.IsZero() != (len(further) == 0) {
						t.Errorf("is asked for next at %s", v.MergeAt)
					}
					if rests {
						return
					}
					var grown provisioning.CheckOutput
					if err := s.ask(t, "CheckVolumeGrown", "merge", &grown); err != nil || !grown.Done {
						t.Errorf("%+v, %v", grown, err)
					}
				})
			})
		}
	}
}

// A volume that is gone is that broker's trouble, and keeps no other from growing.
func TestGrowVolume_NotesThatAVolumeIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.says(t)
		s.stores(t, "grow", 150, false)
		s.Kill(s.node(t, 2).Host.ID)
		if err := s.DeleteVolume(t.Context(), cluster.Token{ClusterID: "c", NodeID: 2}); err != nil {
			t.Fatal(err)
		}
		var out provisioning.GrowVolumeOutput
		if err := s.ask(t, "GrowVolume", "grow", &out); err != nil || !out.Refused {
			t.Fatalf("%+v, %v", out, err)
		}
		op, err := s.records.Operation(t.Context(), "c", "grow")
		if err != nil || !strings.Contains(op.Storage.Refusals(), "there is no volume vol-c-2") {
			t.Errorf("%s, %v", op.Storage.Refusals(), err)
		}
	})
}

// One that was put on record and never made is orphaned when the first grows past it: to be made it would only be paid for, and to be
// renewed it would stay on record for ever.
func TestGrowVolume_MakesOnlyFurtherOnesThatAreNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.ChangesAgainAfter = time.Hour
		s.Rest()
		s.says(t)
		added := s.now.Add(-time.Minute)
		s.recorded(t, func(v *cluster.Volume) {
			v.FirstGiB, v.Added = 100, 2
			v.Further = []cluster.FurtherVolume{
				{Number: 1, SizeGiB: 20, WholeGiB: 100, AddedAt: added}, {Number: 2, SizeGiB: 50, WholeGiB: 150, AddedAt: added},
			}
		})
		s.stores(t, "grow", 150, false)
		s.until(t, "GrowVolume", "grow")
		f := s.node(t, 2).Volume.Further
		if f[0].ID != "" || !f[0].AddedAt.Equal(added) || f[1].ID != "vol-c-2-v2" || !f[1].AddedAt.Equal(s.now) {
			t.Errorf("%+v", f)
		}
		var out provisioning.CheckOutput
		if err := s.ask(t, "CheckVolumeGrown", "grow", &out); err != nil {
			t.Errorf("%+v, %v", out, err)
		}
		if v := s.node(t, 2).Volume; v.SizeGiB != 150 {
			t.Errorf("waits still: %s, %+v", out.Reason, v)
		}
	})
}

// Writes go on while the account may have no more volumes, and each growth that is tried wants more than the one before.
func TestGrowVolume_RecordsNoSecondFurtherOneBeforeTheFirstIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.GrowsWithin, s.ChangesAgainAfter = 0, time.Hour
		s.Rest()
		s.says(t)
		s.Trouble("EnsureVolume", &platformtest.Trouble{Times: -1, Err: fault.New(fault.Unavailable, "the quota is used up")})
		grow := func(i int) (err error) {
			id := fmt.Sprintf("grow-%d", i)
			s.stores(t, id, 150+i, false)
			err = s.ask(t, "GrowVolume", id, new(provisioning.GrowVolumeOutput))
			s.edit(t, id, func(c *cluster.Cluster, op *cluster.Operation) { op.Fail(c, cluster.Failure{}, s.now) })
			return err
		}
		for i := range cluster.MostFurtherVolumes + 2 {
			if err := grow(i); err == nil || !strings.Contains(err.Error(), "the quota is used up") {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
		if v := s.node(t, 2).Volume; len(v.Further) != 1 || v.Further[0].ID != "" {
			t.Fatalf("the volume is %+v", v)
		}
		s.Trouble("EnsureVolume", nil)
		if err := grow(20); err != nil {
			t.Fatal(err)
		}
		if v := s.node(t, 2).Volume; v.TogetherGiB() != 170 || v.MissesMade() {
			t.Errorf("once there may be more volumes, it is %+v", v)
		}
	})
}

// A host that does not let go of its volumes is waited for once, and whatever the next merge begins with is another one.
func TestRetireVolumes_WaitsForOneVolumeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		var left []string
		s.recorded(t, func(v *cluster.Volume) {
			v.SizeGiB, v.FirstGiB = 150, 150
			for i := range cluster.MostFurtherVolumes {
				id := fmt.Sprintf("vol-c-2-v%d", i+1)
				left = append(left, id)
				v.Further = append(v.Further, cluster.FurtherVolume{Number: i + 1, ID: id, SizeGiB: 5, WholeGiB: 150})
			}
		})
		s.Trouble("DetachVolume", &platformtest.Trouble{Times: -1, Err: fault.New(fault.Unavailable, "the host has not let go")})
		for turn := range cluster.MostFurtherVolumes {
			s.now = s.now.Add(time.Hour)
			s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: &nodespec.Disk{Volumes: []string{"vol-c-2"}, Left: left}})
			merge, began := fmt.Sprintf("merge-%d", turn), time.Now()
			s.stores(t, merge, 150, true)
			s.until(t, "RetireVolumes", merge)
			if took := time.Since(began); took > serve.LongPoll {
				t.Errorf("takes %s", took)
			}
			if f := s.node(t, 2).Volume.Further[turn]; !f.LeftAt.Equal(s.now) {
				t.Errorf("turn %d does not begin with volume %d: %+v", turn, f.Number, f)
			}
			s.edit(t, merge, func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K4", s.now) })
		}
		s.Trouble("DetachVolume", nil)
		s.stores(t, "merge", 150, true)
		s.until(t, "RetireVolumes", "merge")
		if f := s.node(t, 2).Volume.Further; len(f) != 0 {
			t.Errorf("once it lets go there are still %+v", f)
		}
	})
}

// Where a host has joined a further volume too late, it has more than is on record, and lets go of that volume once the first is as large.
func TestGrowVolume_AMergeMakesTheFirstAsLargeAsWhatTheHostHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.GrowsWithin = 0
		s.recorded(t, func(v *cluster.Volume) {
			v.SizeGiB, v.FirstGiB = 150, 150
			v.Further = []cluster.FurtherVolume{{Number: 1, ID: "vol-c-2-v1", SizeGiB: 50, WholeGiB: 150}}
		})
		s.stores(t, "merge", 200, true)
		s.until(t, "GrowVolume", "merge")
		var out provisioning.CheckOutput
		if err := s.ask(t, "CheckVolumeGrown", "merge", &out); err != nil || !out.Done {
			t.Fatalf("%+v, %v", out, err)
		}
		if v := s.node(t, 2).Volume; v.SizeGiB != 200 || v.FirstGiB != 200 || s.SizeOf(cluster.Token{ClusterID: "c", NodeID: 2}) != 200 {
			t.Errorf("the volume is %+v", v)
		}
	})
}
