package brokerreplacement_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// sickbed is a cluster of three brokers and three controllers, of which one node is being healed, over real records and brokers
// that answer as they are told to.
type sickbed struct {
	records records.Records
	kafka   *kafkatest.Admin
	steps   serve.Steps
	heal    cluster.Heal
}

// during runs a test on its own clock, in which long polls take no time.
func during(t *testing.T, heal cluster.Heal, test func(t *testing.T, s *sickbed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, admit(t, heal, 3)) })
}

// admit records the cluster, with as many controllers as said, and the operation.
func admit(t *testing.T, heal cluster.Heal, controllers int) *sickbed {
	t.Helper()
	s := &sickbed{records: records.Records{Table: localtest.NewTable(t)}, kafka: &kafkatest.Admin{}}
	s.steps = brokerreplacement.Steps(brokerreplacement.Deps{Records: s.records, Kafka: s.kafka, Now: time.Now})
	heal.Host, heal.Launch = fmt.Sprintf("host-%d", heal.NodeID), 1
	s.heal = heal
	op := cluster.Operation{
		ID: "op", ClusterID: "c", Type: cluster.HealBroker, State: cluster.InProgress, Attempt: 1, CreatedAt: time.Now(),
		Deadline: time.Now().Add(cluster.HealBroker.Budget()), Heal: &heal,
	}
	op.Steps = op.Plan()
	c := cluster.Cluster{
		ID: "c", Name: "orders", Ready: true, Authority: "authority",
		Spec:   cluster.Spec{Brokers: 3, Controllers: controllers, InCluster: true},
		Active: &cluster.ActiveOperation{ID: op.ID, Type: op.Type},
	}
	if err := s.records.CreateCluster(t.Context(), c, op); err != nil {
		t.Fatal(err)
	}
	var nodes []cluster.Node
	for i := range 3 + controllers {
		n := cluster.Node{ClusterID: "c", ID: int32(i + 1), Role: cluster.Broker, Launches: 1, SpecGeneration: 3}
		if i >= 3 {
			n.ID, n.Role = cluster.FirstController+int32(i-3), cluster.Controller
		}
		n.Address = &cluster.Address{IP: fmt.Sprintf("10.0.0.%d", i+1)}
		n.Host = &cluster.Host{ID: fmt.Sprintf("host-%d", n.ID)}
		nodes = append(nodes, n)
	}
	if err := s.records.AddNodes(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	if err := s.records.PutKafkaAccess(t.Context(), "c", records.KafkaAccess{Certificate: "certificate", Key: "key"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// call runs a step for the node that is healed.
func (s *sickbed) call(t *testing.T, step string) (string, error) {
	t.Helper()
	answer, err := s.steps.Invoke(t.Context(), fmt.Appendf(nil,
		`{"step":%q,"clusterId":"c","operationId":"op","nodeId":%d}`, step, s.heal.NodeID))
	text, _, _ := strings.Cut(string(answer), `,"judgedAt"`)
	return strings.TrimSuffix(text, "}") + "}", err
}

func (s *sickbed) wantAnswer(t *testing.T, step, want string) {
	t.Helper()
	if answer, err := s.call(t, step); err != nil || answer != want {
		t.Errorf("%s: %s, %v\nwant %s", step, answer, err, want)
	}
}

func (s *sickbed) wantFault(t *testing.T, step string, code fault.Code, message string) {
	t.Helper()
	_, err := s.call(t, step)
	var served *serve.Error
	if !errors.As(err, &served) || served.Code != code || !strings.Contains(served.Message, message) {
		t.Errorf("%s: %v, want %s %q", step, err, code, message)
	}
}

// beat lets a node's host say something, now.
func (s *sickbed) beat(t *testing.T, node int32, beat nodespec.Heartbeat) {
	t.Helper()
	beat.HostID, beat.At = fmt.Sprintf("host-%d", node), time.Now()
	if beat.Generation == 0 {
		beat.Generation = 3
	}
	if err := s.records.PutBeat(t.Context(), beat.HostID, beat); err != nil {
		t.Fatal(err)
	}
}

// running is what the host of a node says that works.
func running() nodespec.Heartbeat {
	return nodespec.Heartbeat{State: nodespec.Running, Process: &nodespec.Process{StartedAt: time.Now()}}
}

func (s *sickbed) step(t *testing.T, name string) cluster.Step {
	t.Helper()
	op, err := s.records.Operation(t.Context(), "c", "op")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(op.Steps, func(s cluster.Step) bool { return s.Name == name })
	return op.Steps[i]
}

// partition is one of three replicas, which needs two.
func partition(id, leader int32, inSync ...int32) cluster.Partition {
	return cluster.Partition{Topic: "orders", ID: id, Leader: leader, Replicas: []int32{1, 2, 3}, InSync: inSync, MinInSync: 2}
}

var (
	silentBroker = cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace, Condition: cluster.Unreachable, Reason: "nobody hears it"}
	heldBroker   = cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Restart, Condition: cluster.KafkaHeld, Reason: "held by a signal"}
	deadBroker   = cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Replace, Condition: cluster.HostDead, Proven: true, Reason: "its host has ended"}
	lateBroker   = cluster.Heal{NodeID: 2, Role: cluster.Broker, Remedy: cluster.Restart, Condition: cluster.OutOfSync, Reason: "out of sync for long"}
	controller   = cluster.Heal{NodeID: 1002, Role: cluster.Controller, Remedy: cluster.Replace, Condition: cluster.Unreachable, Reason: "nobody hears it"}
)

func TestJudgeReplacement_AsksTheOtherBrokers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		partitions []cluster.Partition
		want       string
	}{
		{"the broker is missed by nobody", []cluster.Partition{partition(0, 1, 1, 3)}, `{"safe":true,"recovered":false}`},
		{"the others are enough", []cluster.Partition{partition(0, 1, 1, 2, 3)}, `{"safe":true,"recovered":false}`},
		{
			"a partition would fall below its minimum",
			[]cluster.Partition{partition(0, 1, 1, 2, 3), partition(1, 1, 1, 2)},
			`{"safe":false,"recovered":false,"reason":"orders-1 would keep 1 of 2 replicas in sync"}`,
		},
		{"a partition without leader serves nobody", []cluster.Partition{partition(0, -1, 2)}, `{"safe":true,"recovered":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, silentBroker, func(t *testing.T, s *sickbed) {
				s.kafka.SetPartitions(tt.partitions...)
				s.wantAnswer(t, "JudgeReplacement", tt.want)
				access := s.kafka.Asked()[0]
				if want := []string{"10.0.0.1:9095", "10.0.0.3:9095"}; !slices.Equal(access.Brokers, want) || access.Key != "key" || access.Authority != "authority" {
					t.Errorf("asked %v", access)
				}
			})
		})
	}
}

func TestJudgeReplacement_WaitsUntilItIsSafe(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		time.AfterFunc(5*time.Second, func() { s.kafka.SetPartitions(partition(0, 1, 1, 2, 3)) })
		began := time.Now()
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false}`)
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Whoever begins maintenance is told that nobody else will be at work: a heal that has waited until then does nothing any more.
func TestJudgeReplacement_StopsForAPersonWhoBeginsMaintenance(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		s.call(t, "JudgeReplacement")
		_, err := s.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error {
			c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: 2, Since: time.Now(), Until: time.Now().Add(time.Hour)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.kafka.SetPartitions(partition(0, 1, 1, 2, 3))
		s.wantFault(t, "JudgeReplacement", fault.Unsafe, "broker 2 is in maintenance until")
	})
}

func TestJudgeReplacement_TellsOperatorsWhatItWaitsFor(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		s.call(t, "JudgeReplacement")
		if got := s.step(t, cluster.StepJudge); got.Detail != "orders-0 would keep 1 of 2 replicas in sync" {
			t.Errorf("%+v", got)
		}
		time.Sleep(cluster.HealBroker.Budget())
		s.wantFault(t, "JudgeReplacement", fault.Internal, "gave up after 30m0s; last waited for: broker 2: orders-0 would keep 1 of 2")
	})
}

func TestJudgeReplacement_AsksNothingAboutAHostThatIsProvenDead(t *testing.T) {
	during(t, deadBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false,"reason":"its host has ended"}`)
		if len(s.kafka.Asked()) > 0 {
			t.Error("it asked Kafka")
		}
	})
}

// It may be what this one waits for, and it is not healed as long as this one waits.
func TestJudgeReplacement_MakesRoomForANodeThatHasLostItsHost(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		time.AfterFunc(5*time.Second, func() { dead(t, s, 3, "host-3") })
		s.wantFault(t, "JudgeReplacement", fault.Unsafe,
			"broker 2: orders-0 would keep 1 of 2 replicas in sync; broker 3 has lost its host, and is healed first")
	})
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2, 3))
		dead(t, s, 3, "host-3")
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false}`) // nothing to wait for
	})
}

func TestJudgeReplacement_OfAHostThatHasEndedMeanwhileIsNoQuestion(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		time.AfterFunc(5*time.Second, func() { dead(t, s, 2, "host-2") })
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false,"reason":"EC2 says that it is terminated"}`)
	})
}

// A machine that is started again goes on with the host that its first attempt has launched.
func TestJudgeReplacement_HasNothingToSayAgainstALaterHost(t *testing.T) {
	during(t, silentBroker, func(t *testing.T, s *sickbed) {
		_, err := s.records.ChangeNode(t.Context(), "c", 2, func(n *cluster.Node) error {
			n.Launches, n.Host = 2, &cluster.Host{ID: "host-2b"}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.kafka.SetPartitions(partition(0, 1, 1, 2))
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false,"reason":"broker 2 has left host host-2 behind"}`)
	})
}

func TestJudgeReplacement_SeesThatTheNodeWorksAgain(t *testing.T) {
	since := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	held := running()
	held.Process.HeldSince = &since
	silent := running()
	silent.SilentSince = &since
	for _, tt := range []struct {
		name string
		beat nodespec.Heartbeat
		want bool
	}{
		{"it runs", running(), true},
		{"it is held", held, false},
		{"it does not answer", silent, false},
		{"it fails", nodespec.Heartbeat{State: nodespec.Failing}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, heldBroker, func(t *testing.T, s *sickbed) {
				s.kafka.SetPartitions(partition(0, 1, 1, 2))
				time.Sleep(time.Second)
				s.beat(t, 2, tt.beat)
				want := `{"safe":false,"recovered":false,"reason":"orders-0 would keep 1 of 2 replicas in sync"}`
				if tt.want {
					want = `{"safe":false,"recovered":true,"reason":"broker 2 works again"}`
				}
				s.wantAnswer(t, "JudgeReplacement", want)
			})
		})
	}
	t.Run("it said so before it was found sick", func(t *testing.T) {
		during(t, silentBroker, func(t *testing.T, s *sickbed) {
			s.beat(t, 2, running())
			s.kafka.SetPartitions(partition(0, 1, 1, 3))
			s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false}`)
		})
	})
}

func TestJudgeReplacement_OfABrokerThatIsOutOfSyncHearsItsLeaders(t *testing.T) {
	during(t, lateBroker, func(t *testing.T, s *sickbed) {
		time.Sleep(time.Second)
		s.beat(t, 2, running()) // it works, by its own account, all the while
		s.kafka.SetPartitions(partition(0, 1, 1, 3), partition(1, 1, 1, 2, 3))
		s.wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false}`)
		s.kafka.SetPartitions(partition(0, 1, 1, 2, 3), partition(1, 1, 1, 2, 3))
		s.wantAnswer(t, "JudgeReplacement", `{"safe":false,"recovered":true,"reason":"broker 2 is in sync again"}`)
	})
}

func TestJudgeReplacement_WhenNobodyAnswers(t *testing.T) {
	unavailable := fault.New(fault.Unavailable, "no broker answers")
	failing := nodespec.Heartbeat{State: nodespec.Failing}
	for _, tt := range []struct {
		name string
		heal cluster.Heal
		beat *nodespec.Heartbeat
		want string
	}{
		{
			"a broker that is down by its own account may be started again", heldBroker, &failing,
			`{"safe":true,"recovered":false,"reason":"no broker answers, so nothing is lost by a restart"}`,
		},
		{
			"it may be us who reach nobody", heldBroker, nil,
			`{"safe":false,"recovered":false,"reason":"ask the brokers of c: no broker answers"}`,
		},
		{
			"a host is not replaced blindly", silentBroker, &failing,
			`{"safe":false,"recovered":false,"reason":"ask the brokers of c: no broker answers"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, tt.heal, func(t *testing.T, s *sickbed) {
				time.Sleep(time.Second)
				if tt.beat != nil {
					s.beat(t, 2, *tt.beat)
				}
				s.kafka.FailNext(slices.Repeat([]error{unavailable}, 50)...)
				s.wantAnswer(t, "JudgeReplacement", tt.want)
			})
		})
	}
}

func TestJudgeReplacement_OfAControllerHearsTheActiveOne(t *testing.T) {
	for _, tt := range []struct {
		name   string
		quorum *nodespec.Quorum
		want   string
	}{
		{"the others are a majority", &nodespec.Quorum{CaughtUp: []int32{1001, 1002, 1003}}, `{"safe":true,"recovered":false}`},
		{"the quorum does without it already", &nodespec.Quorum{CaughtUp: []int32{1001}, Behind: []int32{1002, 1003}}, `{"safe":true,"recovered":false}`},
		{
			"the majority would be lost", &nodespec.Quorum{CaughtUp: []int32{1001, 1002}, Behind: []int32{1003}},
			`{"safe":false,"recovered":false,"reason":"the quorum would keep 1 of 3 controllers that are caught up, and needs 2"}`,
		},
		{"nobody leads it", nil, `{"safe":false,"recovered":false,"reason":"no other controller leads the quorum"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, controller, func(t *testing.T, s *sickbed) {
				s.beat(t, 1002, nodespec.Heartbeat{Quorum: &nodespec.Quorum{CaughtUp: []int32{1001, 1002, 1003}}}) // of its own word nobody cares
				if tt.quorum != nil {
					s.beat(t, 1001, nodespec.Heartbeat{Quorum: tt.quorum})
				}
				s.wantAnswer(t, "JudgeReplacement", tt.want)
			})
		})
	}
	t.Run("it is the only one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			alone := controller
			alone.NodeID = 1001
			admit(t, alone, 1).wantAnswer(t, "JudgeReplacement", `{"safe":true,"recovered":false}`)
		})
	})
}

func TestCheckBrokerInSync_CountsEveryPartitionThatHasALeader(t *testing.T) {
	elsewhere := partition(7, 1, 1)
	elsewhere.Replicas = []int32{1}
	for _, tt := range []struct {
		name       string
		partitions []cluster.Partition
		want       string
	}{
		{"it is in sync", []cluster.Partition{partition(0, 1, 1, 2, 3), elsewhere}, `{"done":true,"moreUrgent":false,"noAccess":false}`},
		{"the other partitions have lost their leaders", []cluster.Partition{partition(0, 1, 1, 2), partition(1, -1, 3)}, `{"done":true,"moreUrgent":false,"noAccess":false}`},
		{
			"one is missing",
			[]cluster.Partition{partition(0, 1, 1, 2, 3), partition(3, 1, 1, 3)},
			`{"done":false,"moreUrgent":false,"noAccess":false,"reason":"broker 2 is not in sync yet in 1 of its 2 partitions, orders-3 the first of them"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, deadBroker, func(t *testing.T, s *sickbed) {
				s.kafka.SetPartitions(tt.partitions...)
				s.wantAnswer(t, "CheckBrokerInSync", tt.want)
			})
		})
	}
}

func TestCheckBrokerInSync_TellsOperatorsHowFarItIs(t *testing.T) {
	during(t, deadBroker, func(t *testing.T, s *sickbed) {
		s.kafka.SetPartitions(partition(0, 1, 1, 2, 3), partition(1, 1, 1, 2, 3), partition(2, 1, 1, 3), partition(3, 1, 1, 3))
		s.call(t, "CheckBrokerInSync")
		if got := s.step(t, cluster.StepCatchUp); got.Percent != 50 || !strings.HasPrefix(got.Detail, "broker 2 is not in sync yet in 2 of its 4 partitions") {
			t.Errorf("%+v", got)
		}
		s.kafka.FailNext(slices.Repeat([]error{fault.New(fault.Unavailable, "no broker answers")}, 50)...)
		s.wantAnswer(t, "CheckBrokerInSync", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"ask the brokers of c: no broker answers"}`)
		time.Sleep(cluster.HealBroker.Budget())
		s.wantFault(t, "CheckBrokerInSync", fault.Internal, "gave up after 30m0s; last waited for: ask the brokers of c")
	})
}

// dead has the last look say that a host has ended.
func dead(t *testing.T, s *sickbed, node int32, host string) {
	t.Helper()
	err := s.records.PutHealth(t.Context(), cluster.Health{ClusterID: "c", LookedAt: time.Now(), Findings: []cluster.Finding{
		{NodeID: node, Role: cluster.Broker, Host: host, Condition: cluster.HostDead, Reason: "EC2 says that it is terminated"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCheckBrokerInSync_IsNotInTheWayOfTheDead(t *testing.T) {
	for _, tt := range []struct {
		name string
		node int32
		host string
		want string
	}{
		{"another node has lost its host", 3, "host-3", `{"done":false,"moreUrgent":true,"noAccess":false,"reason":"broker 2 is not in sync yet in 1 of its 1 partitions, orders-0 the first of them"}`},
		{"another had lost it, and has a new one", 3, "host-3-before", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"broker 2 is not in sync yet in 1 of its 1 partitions, orders-0 the first of them"}`},
		{"it had lost its host, which is why it is healed", 2, "host-2-before", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"broker 2 is not in sync yet in 1 of its 1 partitions, orders-0 the first of them"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, deadBroker, func(t *testing.T, s *sickbed) {
				s.kafka.SetPartitions(partition(0, 1, 1))
				dead(t, s, tt.node, tt.host)
				s.wantAnswer(t, "CheckBrokerInSync", tt.want)
			})
		})
	}
	t.Run("it has lost its host again", func(t *testing.T) {
		during(t, deadBroker, func(t *testing.T, s *sickbed) {
			s.kafka.SetPartitions(partition(0, 1, 1))
			dead(t, s, 2, "host-2")
			s.wantFault(t, "CheckBrokerInSync", fault.Internal, "host host-2 of broker 2 has ended: EC2 says that it is terminated")
		})
	})
}

// A proven dead host is replaced also while access to Kafka can't be renewed.
func TestSteps_SayThatThereIsNoAccessToKafka(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, s *sickbed) error{
		"there never was any": func(t *testing.T, s *sickbed) error {
			key := records.Key{Partition: "kafka-access", Sort: "c"}
			return s.records.Table.Write(t.Context(), records.Write{Key: key, If: records.Always(), Delete: true})
		},
		"it has ended": func(t *testing.T, s *sickbed) error {
			return s.records.PutKafkaAccess(t.Context(), "c", records.KafkaAccess{Certificate: "old", Key: "key", Ends: time.Now()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			during(t, silentBroker, func(t *testing.T, s *sickbed) {
				if err := spoil(t, s); err != nil {
					t.Fatal(err)
				}
				s.kafka.SetPartitions(partition(0, 1, 1, 2, 3))
				s.wantAnswer(t, "CheckBrokerInSync", `{"done":false,"moreUrgent":false,"noAccess":true,`+
					`"reason":"ask the brokers of c: the control plane has no valid access to Kafka"}`)
				s.wantFault(t, "JudgeReplacement", fault.NotFound, "the control plane has no valid access to Kafka")
			})
		})
	}
}

func TestCheckBrokerInSync_OfAControllerHearsTheActiveOne(t *testing.T) {
	during(t, controller, func(t *testing.T, s *sickbed) {
		s.beat(t, 1001, nodespec.Heartbeat{Quorum: &nodespec.Quorum{CaughtUp: []int32{1001, 1002, 1003}}}) // said of its life before
		time.Sleep(time.Second)
		s.wantAnswer(t, "CheckBrokerInSync", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"controller 1002 does not run yet"}`)
		s.beat(t, 1002, running())
		s.wantAnswer(t, "CheckBrokerInSync", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"no controller leads the quorum yet"}`)
		s.beat(t, 1001, nodespec.Heartbeat{Quorum: &nodespec.Quorum{CaughtUp: []int32{1001, 1003}, Behind: []int32{1002}}})
		s.wantAnswer(t, "CheckBrokerInSync", `{"done":false,"moreUrgent":false,"noAccess":false,"reason":"controller 1002 has not caught up with the quorum yet"}`)
		s.beat(t, 1001, nodespec.Heartbeat{Quorum: &nodespec.Quorum{CaughtUp: []int32{1001, 1002, 1003}}})
		s.wantAnswer(t, "CheckBrokerInSync", `{"done":true,"moreUrgent":false,"noAccess":false}`)
	})
	t.Run("it is the only one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			alone := controller
			alone.NodeID = 1001
			s := admit(t, alone, 1)
			s.beat(t, 1001, running())
			s.wantAnswer(t, "CheckBrokerInSync", `{"done":true,"moreUrgent":false,"noAccess":false}`)
		})
	})
}

func TestSteps_HealNothingThatIsNotSick(t *testing.T) {
	during(t, deadBroker, func(t *testing.T, s *sickbed) {
		_, _, err := s.records.ChangeOperation(t.Context(), "c", "op", func(_ *cluster.Cluster, op *cluster.Operation) error {
			op.Heal = nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []string{"JudgeReplacement", "CheckBrokerInSync"} {
			s.wantFault(t, step, fault.Invalid, "operation op heals nothing")
		}
	})
}

func TestStayConnected_TakesNothingAndDoesNothing(t *testing.T) {
	during(t, deadBroker, func(t *testing.T, s *sickbed) {
		if out, err := s.steps.Invoke(t.Context(), []byte(`{"step":"StayConnected"}`)); err != nil || string(out) != "{}" {
			t.Errorf("answered %s, %v", out, err)
		}
	})
}
