package provisioning_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// openWard is a site whose cluster runs: every node on its first host, with volumes that nobody may format any more.
func openWard(t *testing.T) *site {
	t.Helper()
	s := openSite(t, nil)
	s.provision(t)
	synctest.Wait()
	for _, n := range s.nodes(t) {
		s.do(t, n.ID, "AttachVolume")
	}
	s.do(t, 0, "WriteNodeSpecs", "SealVolumes")
	for _, n := range s.nodes(t) {
		s.runs(t, n, nodespec.Heartbeat{})
	}
	s.edit(t, "op", func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K2", s.now) })
	return s
}

// runs is a heartbeat of a node's host whose Kafka runs, but for what is said otherwise.
func (s *site) runs(t *testing.T, n cluster.Node, beat nodespec.Heartbeat) {
	t.Helper()
	beat.At, beat.Generation = s.now, n.SpecGeneration
	if beat.State == "" {
		beat.State = nodespec.Running
	}
	s.beat(t, n, beat)
}

func (s *site) edit(t *testing.T, id string, change func(*cluster.Cluster, *cluster.Operation)) {
	t.Helper()
	_, _, err := s.records.ChangeOperation(t.Context(), "c", id, func(c *cluster.Cluster, op *cluster.Operation) error {
		change(c, op)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) node(t *testing.T, id int32) cluster.Node {
	t.Helper()
	n, err := s.records.Node(t.Context(), "c", id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// heal records that the host which a node has is to be healed, as the operation of that id.
func (s *site) heal(t *testing.T, id string, node int32, remedy cluster.Remedy, condition cluster.Condition) {
	t.Helper()
	n := s.node(t, node)
	op := cluster.Operation{
		ID: id, ClusterID: "c", Type: cluster.HealBroker, State: cluster.InProgress, Attempt: 1, Deadline: s.now.Add(time.Hour),
		Heal: &cluster.Heal{
			NodeID: node, Role: n.Role, Remedy: remedy, Condition: condition, Host: n.Host.ID, Launch: n.Launches, VolumeGiB: 200,
		},
	}
	op.Steps = op.Plan()
	_, err := s.records.StartOperation(t.Context(), "c", op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// treat runs a step of a healing operation, which was judged so long ago.
func (s *site) treat(t *testing.T, step, id string, node int32, judged time.Duration) provisioning.SecondLook {
	t.Helper()
	answer, err := s.steps.Invoke(t.Context(), fmt.Appendf(nil, `{"step":%q,"clusterId":"c","operationId":%q,"nodeId":%d,"judgedAt":%q}`,
		step, id, node, s.now.Add(-judged).Format(time.RFC3339Nano)))
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	var look provisioning.SecondLook
	if err := json.Unmarshal(answer, &look); err != nil {
		t.Fatal(err)
	}
	return look
}

func (s *site) hostState(t *testing.T, id string) cluster.HostState {
	t.Helper()
	h, err := s.Host(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return h.State
}

func TestFenceHost_LooksOnceMore(t *testing.T) {
	silent, held := time.Unix(1, 0), &nodespec.Process{HeldSince: &time.Time{}}
	ended, spared := provisioning.SecondLook{}, provisioning.SecondLook{Recovered: true}
	for _, tt := range []struct {
		name    string
		happens func(t *testing.T, s *site, n cluster.Node)
		judged  time.Duration
		want    provisioning.SecondLook
	}{
		{"nothing was heard of the host for long", func(_ *testing.T, s *site, _ cluster.Node) { s.now = s.now.Add(time.Hour) }, 0, ended},
		{"the host reports that Kafka runs", func(*testing.T, *site, cluster.Node) {}, 0, spared},
		{"the host reports that Kafka fails", func(t *testing.T, s *site, n cluster.Node) {
			s.runs(t, n, nodespec.Heartbeat{State: nodespec.Failing})
		}, 0, ended},
		{"the host reports that Kafka is silent", func(t *testing.T, s *site, n cluster.Node) {
			s.runs(t, n, nodespec.Heartbeat{SilentSince: &silent})
		}, 0, ended},
		{"the host reports that Kafka is held", func(t *testing.T, s *site, n cluster.Node) {
			s.runs(t, n, nodespec.Heartbeat{Process: held})
		}, 0, ended},
		{"the judgement is two minutes old", func(_ *testing.T, s *site, _ cluster.Node) {
			s.now = s.now.Add(time.Hour)
		}, 2 * time.Minute, provisioning.SecondLook{Stale: true}},
		{"the judgement is old and the host has ended", func(_ *testing.T, s *site, n cluster.Node) { s.Kill(n.Host.ID) }, time.Hour, ended},
		{"the host was powered off right after it said that Kafka runs", func(_ *testing.T, s *site, n cluster.Node) { s.PowerOff(n.Host.ID) }, 0, ended},
		{"the host was being ended already", func(t *testing.T, s *site, _ cluster.Node) {
			s.edit(t, "heal", func(_ *cluster.Cluster, op *cluster.Operation) { op.Advance(cluster.StepFence, 0, "") })
		}, time.Hour, ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openWard(t)
				n := s.node(t, 2)
				s.heal(t, "heal", 2, cluster.Replace, cluster.Unreachable)
				tt.happens(t, s, n)
				if got := s.treat(t, "FenceHost", "heal", 2, tt.judged); got != tt.want {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
				synctest.Wait()
				if alive := s.hostState(t, n.Host.ID) == cluster.HostRunning; alive != (tt.want != ended) {
					t.Errorf("the host is %s", s.hostState(t, n.Host.ID))
				}
			})
		})
	}
}

// A host that was powered off is proven dead, and nobody is asked about it then. When it is switched on before anything is done,
// as by a control plane that was away meanwhile, what was proven is true no more.
func TestFenceHost_SparesAHostThatIsDeadNoMore(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(s *site, host string)
		spared  bool
	}{
		{"it was switched on, and nothing was heard of it yet", func(*site, string) {}, true},
		{"it is powered off still", func(s *site, host string) { s.PowerOff(host) }, false},
		{"it has ended", func(s *site, host string) { s.Kill(host) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openWard(t)
				host := s.node(t, 2).Host.ID
				s.heal(t, "heal", 2, cluster.Replace, cluster.HostDead)
				s.edit(t, "heal", func(_ *cluster.Cluster, op *cluster.Operation) { op.Heal.Proven = true })
				s.now = s.now.Add(time.Hour)
				tt.happens(s, host)
				if look := s.treat(t, "FenceHost", "heal", 2, 0); look.Recovered != tt.spared {
					t.Errorf("%+v", look)
				}
				synctest.Wait()
				if alive := s.hostState(t, host) == cluster.HostRunning; alive != tt.spared {
					t.Errorf("the host is %s", s.hostState(t, host))
				}
			})
		})
	}
}

func TestFenceHost_EndsNoLaterHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.heal(t, "heal", 2, cluster.Replace, cluster.HostDead)
		s.Kill(s.node(t, 2).Host.ID)
		for range 2 {
			s.treat(t, "FenceHost", "heal", 2, 0)
			s.treat(t, "CheckHostFenced", "heal", 2, 0)
			s.do(t, 2, "LaunchHost")
			synctest.Wait()
			if n := s.node(t, 2); n.Launches != 2 || s.hostState(t, n.Host.ID) != cluster.HostRunning {
				t.Errorf("%+v, whose host is %s", n, s.hostState(t, n.Host.ID))
			}
			s.now = s.now.Add(time.Hour) // nothing was heard of the new host either
		}
	})
}

// A host gets one spec for an operation, however often it is asked for, and every host of a node a higher one than the last.
func TestWriteNodeSpec_WritesOneSpecForAnOperationAndAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		old := s.node(t, 2)
		before := s.specs(t)[2]
		s.heal(t, "heal", 2, cluster.Replace, cluster.HostDead)
		s.Kill(old.Host.ID)
		s.do(t, 2, "LaunchHost")
		s.beat(t, s.node(t, 2), nodespec.Heartbeat{State: nodespec.Waiting})
		for range 2 {
			s.treat(t, "WriteNodeSpec", "heal", 2, 0)
			spec := s.specs(t)[2]
			if spec.Generation != before.Generation+1 || spec.Volume.New || spec.Restarts != 0 || spec.Certificate == before.Certificate {
				t.Errorf("%+v", spec)
			}
			if spec.ClusterID != before.ClusterID || spec.NodeID != before.NodeID || spec.Volume.DirectoryID != before.Volume.DirectoryID {
				t.Errorf("another node: %+v, want that of %+v", spec, before)
			}
		}
		s.Kill(s.node(t, 2).Host.ID)
		s.do(t, 2, "LaunchHost")
		s.beat(t, s.node(t, 2), nodespec.Heartbeat{State: nodespec.Waiting})
		s.treat(t, "WriteNodeSpec", "heal", 2, 0)
		if spec := s.specs(t)[2]; spec.Generation != before.Generation+2 {
			t.Errorf("the third host has generation %d, the first had %d", spec.Generation, before.Generation)
		}
	})
}

func TestWriteNodeSpec_CountsRestartsOncePerOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		before := s.specs(t)[2]
		for i := range 3 {
			s.runs(t, s.node(t, 2), nodespec.Heartbeat{State: nodespec.Failing})
			id := fmt.Sprint("heal", i)
			s.heal(t, id, 2, cluster.Restart, cluster.KafkaSilent)
			for range 3 {
				if look := s.treat(t, "WriteNodeSpec", id, 2, 0); look != (provisioning.SecondLook{}) {
					t.Errorf("%+v", look)
				}
				spec := s.specs(t)[2]
				if spec.Restarts != int64(i)+1 || spec.Generation != before.Generation+int64(i)+1 || spec.Certificate != before.Certificate {
					t.Errorf("after heal %d: generation %d, %d restarts", i, spec.Generation, spec.Restarts)
				}
			}
			s.edit(t, id, func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K3", s.now) })
		}
		s.heal(t, "grow", 2, cluster.Grow, cluster.DiskFull)
		s.treat(t, "WriteNodeSpec", "grow", 2, 0)
		if spec := s.specs(t)[2]; spec.Restarts != 3 {
			t.Errorf("a spec that asks for no restart has %d, not the 3 there were", spec.Restarts)
		}
	})
}

func TestWriteNodeSpec_RestartsNothingThatWorksOrWasJudgedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.heal(t, "heal", 2, cluster.Restart, cluster.KafkaSilent)
		if look := s.treat(t, "WriteNodeSpec", "heal", 2, 0); !look.Recovered {
			t.Errorf("%+v", look)
		}
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{State: nodespec.Failing})
		if look := s.treat(t, "WriteNodeSpec", "heal", 2, 2*time.Minute); !look.Stale || look.Recovered {
			t.Errorf("%+v", look)
		}
		if spec := s.specs(t)[2]; spec.Restarts != 0 {
			t.Errorf("%d restarts", spec.Restarts)
		}
		// Of a broker that is out of sync the host itself says that it works.
		s.edit(t, "heal", func(_ *cluster.Cluster, op *cluster.Operation) { op.Heal.Condition = cluster.OutOfSync })
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{})
		if look := s.treat(t, "WriteNodeSpec", "heal", 2, 0); look != (provisioning.SecondLook{}) {
			t.Errorf("%+v", look)
		}
		if spec := s.specs(t)[2]; spec.Restarts != 1 {
			t.Errorf("%d restarts", spec.Restarts)
		}
	})
}

func TestGrowVolume_IsDoneWhenTheHostHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.GrowsWithin = 0
		s.heal(t, "heal", 2, cluster.Grow, cluster.DiskFull)
		check := func() (out provisioning.CheckOutput) {
			t.Helper()
			answer, err := s.steps.Invoke(t.Context(), []byte(`{"step":"CheckVolumeGrown","clusterId":"c","operationId":"heal","nodeId":2}`))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(answer, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		full := &nodespec.Disk{TotalBytes: 100, UsedBytes: 100}
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: full})
		if out := check(); out.Done || out.Reason == "" {
			t.Errorf("nothing has grown: %+v", out)
		}
		for range 2 {
			s.treat(t, "GrowVolume", "heal", 2, 0)
		}
		if out := check(); out.Done || s.node(t, 2).Volume.SizeGiB != 200 {
			t.Errorf("the file system has not grown: %+v, %+v", out, s.node(t, 2).Volume)
		}
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: &nodespec.Disk{TotalBytes: 200, UsedBytes: 100}})
		if out := check(); !out.Done {
			t.Errorf("all has grown: %+v", out)
		}
	})
}

// A host that dies while its volume grows finds no room any more: whoever waited for it would keep it from being replaced.
func TestGrowVolume_DoesNotWaitForAHostThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.GrowsWithin = 0
		s.heal(t, "heal", 2, cluster.Grow, cluster.DiskFull)
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{Disk: &nodespec.Disk{TotalBytes: 100, UsedBytes: 100}})
		s.treat(t, "GrowVolume", "heal", 2, 0)
		s.Kill(s.node(t, 2).Host.ID)
		_, err := s.steps.Invoke(t.Context(), []byte(`{"step":"CheckVolumeGrown","clusterId":"c","operationId":"heal","nodeId":2}`))
		wantCode(t, err, fault.Internal)
	})
}

// A step of a heal that is given another operation does nothing.
func TestHealing_RefusesOperationsThatHealNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		for _, step := range []string{"FenceHost", "CheckHostFenced", "WriteNodeSpec", "CheckNodeJoined", "GrowVolume", "CheckVolumeGrown"} {
			_, err := s.call(t, step, 2)
			wantCode(t, err, fault.Invalid)
		}
	})
}

// The platform's silence proves nothing: only a host that it calls terminated is more urgent than this one.
func TestCheckNodeJoined_TakesNoSilenceForADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openWard(t)
		s.heal(t, "heal", 2, cluster.Restart, cluster.KafkaSilent)
		look := func() (out provisioning.CheckNodeJoinedOutput) {
			t.Helper()
			answer, err := s.steps.Invoke(t.Context(), []byte(`{"step":"CheckNodeJoined","clusterId":"c","operationId":"heal","nodeId":2}`))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(answer, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		s.runs(t, s.node(t, 2), nodespec.Heartbeat{Brokers: []int32{2}})
		other := s.node(t, 3).Host.ID
		if out := look(); !out.Done || out.MoreUrgent {
			t.Errorf("all hosts live: %+v", out)
		}
		s.Kill(other)
		if out := look(); !out.Done || !out.MoreUrgent {
			t.Errorf("another has ended: %+v", out)
		}
		if err := s.ForgetHost(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if out := look(); !out.Done || out.MoreUrgent {
			t.Errorf("another is not known: %+v", out)
		}
		s.Trouble("HostStates", &platformtest.Trouble{Times: 1, Err: fault.New(fault.Unavailable, "the platform is away")})
		_, err := s.steps.Invoke(t.Context(), []byte(`{"step":"CheckNodeJoined","clusterId":"c","operationId":"heal","nodeId":2}`))
		wantCode(t, err, fault.Unavailable)
	})
}
