package statemachines_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/records"
)

// What the platform makes although its answer is lost is found again: nothing is made twice, nothing is left.
func TestPlatform_MayLoseItsAnswer(t *testing.T) {
	for _, call := range []string{
		"Zones", "PutSecret", "EnsureAddress", "EnsureVolume", "LaunchHost", "Host", "AttachVolume", "Secret",
		"RetireHost", "DeleteVolume", "ReleaseAddress", "ForgetHost", "DeleteSecrets",
	} {
		t.Run(call, func(t *testing.T) {
			inBubble(t, func(w *world) {
				trouble := &platformtest.Trouble{Times: 3, Lost: true, Err: fault.New(fault.Unavailable, "%s", excuse)}
				w.platform.Trouble(call, trouble)
				op := w.create(small(1))
				w.wait(op)
				w.wantActive(op)
				if x := w.wait(w.delete("delete")); x.Status != asl.Succeeded {
					t.Errorf("%s: %s", x.Error, x.Cause)
				}
				w.wantNothingLeft()
				if trouble.Times != 0 {
					t.Errorf("the trouble was met %d times, not 3", 3-trouble.Times)
				}
			})
		})
	}
}

// A host that ends while its node is waited for is told at once, and the next attempt launches another.
func TestCreateCluster_SaysAtOnceThatAHostEnded(t *testing.T) {
	inBubble(t, func(w *world) {
		w.agent = w.onlyFor(2, w.hello)
		op := w.create(small(1))
		for !slices.Contains(w.path(op), "CheckNodesJoined") {
			time.Sleep(time.Second)
		}
		w.platform.Kill(w.hostOf(2))
		began := time.Now()
		w.wait(op)
		w.wantFailed(op, "of broker 2 has ended; `millrace clusters resume` launches another")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s to say so", took)
		}
		w.agent = w.healthyAgent
		op = w.resume(op)
		w.wait(op)
		w.wantActive(op)
		w.wantLaunches(2, 2)
	})
}

// launchOf is the token of a launch.
func launchOf(node int32, attempt int) cluster.Token {
	return cluster.Token{ClusterID: clusterID, NodeID: node, Attempt: attempt}
}

// loseRecordsOf makes a crash out of every write that says which host a launch has given.
func (w *world) loseRecordsOf(launch cluster.Token) {
	host := w.platform.HostIDOf(launch)
	w.write = func(writes []records.Write) error {
		for _, write := range writes {
			if strings.HasPrefix(write.Key.Partition, "nodes#") && strings.Contains(string(write.Body), host) {
				return fault.New(fault.Internal, "%s", excuse)
			}
		}
		return nil
	}
}

func TestCreateCluster_FindsAHostThatWasLaunchedRightBeforeACrash(t *testing.T) {
	t.Run("when it is resumed", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.loseRecordsOf(launchOf(1, 1))
			op := w.create(small(1))
			w.wait(op)
			w.wantFailed(op, excuse)
			w.write = nil
			op = w.resume(op)
			w.wait(op)
			w.wantActive(op)
		})
	})
	t.Run("when it is deleted", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.loseRecordsOf(launchOf(1, 1))
			w.wait(w.create(small(1)))
			w.write = nil
			w.wait(w.delete("delete"))
			w.wantNothingLeft()
		})
	})
}

// The first host of broker 1 died; the second was launched right before a crash, so that only the first is on record.
func TestDeleteCluster_FindsASecondHostThatIsNotOnRecord(t *testing.T) {
	inBubble(t, func(w *world) {
		w.agent = func(context.Context, string, int32) {}
		op := w.create(small(1))
		time.Sleep(2 * w.platform.BootsWithin)
		w.platform.Kill(w.platform.HostIDOf(launchOf(1, 1)))
		w.wait(op)
		w.wantFailed(op, "its host has not reported yet")

		w.loseRecordsOf(launchOf(1, 2))
		w.wait(w.resume(op))
		w.wantFailed(op, excuse)
		w.write = nil
		if !slices.Contains(w.platform.Alive(), w.platform.HostIDOf(launchOf(1, 2))) {
			t.Fatal("no second host was launched")
		}

		w.wait(w.delete("delete"))
		w.wantNothingLeft()
	})
}

func TestCreateCluster_LaunchesAnotherHostForOneThatEndedAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.platform.Stillborn = func(token cluster.Token) bool { return token.NodeID == 2 && token.Attempt == 1 }
		op := w.create(small(1))
		w.wait(op)
		w.wantActive(op)
		w.wait(w.delete("delete"))
		w.wantNothingLeft()
	})
}

func TestCreateCluster_SaysThatAHostEndedWhileItStarted(t *testing.T) {
	inBubble(t, func(w *world) {
		op := w.create(small(1))
		time.Sleep(w.platform.BootsWithin / 2)
		w.platform.Kill(w.platform.HostIDOf(launchOf(3, 1)))
		w.wait(op)
		w.wantFailed(op, "of broker 3 ended while it started")

		op = w.resume(op)
		w.wait(op)
		w.wantActive(op)
		w.wait(w.delete("delete"))
		w.wantNothingLeft()
	})
}

// Whatever does not come in time ends the operation, with the name of what it waited for.
func TestDeadline_NamesWhatWasWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(w *world)
		want  string
		step  string
	}{
		{
			"an agent never says hello",
			func(w *world) { w.agent = w.onlyFor(2, func(context.Context, string) {}) },
			"gave up after 10m0s; last waited for: broker 2: its host has not reported yet", cluster.StepProvision,
		},
		{
			"Kafka never runs",
			func(w *world) { w.agent = w.onlyFor(1, w.hello) },
			"gave up after 10m0s; last waited for: broker 1: Kafka is starting", cluster.StepStartKafka,
		},
		{
			"a broker stays alone",
			func(w *world) {
				w.agent = w.onlyFor(3, func(ctx context.Context, hostID string) {
					w.hello(ctx, hostID)
					if spec, ok := w.nextSpec(ctx, hostID, 0); ok {
						w.beat(ctx, hostID, nodespec.Heartbeat{
							Generation: spec.Generation, State: nodespec.Running, Brokers: []int32{3},
						})
					}
				})
			},
			"gave up after 10m0s; last waited for: broker 1: does not list broker 3 yet (and 2 more)", cluster.StepStartKafka,
		},
		{
			"a host stays pending",
			func(w *world) { w.platform.NeverBoots = true },
			"is pending", cluster.StepProvision,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				tt.spoil(w)
				began := time.Now()
				op := w.create(small(1))
				w.wait(op)
				w.wantFailed(op, fmt.Sprintf("gave up after %s; ", op.Type.Budget()))
				w.wantFailed(op, tt.want)
				w.wantFailedStep(op, tt.step)
				if took := time.Since(began); took > 2*op.Type.Budget() {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// onlyFor gives one node an agent of its own kind; the others are healthy.
func (w *world) onlyFor(node int32, agent func(ctx context.Context, hostID string)) func(context.Context, string, int32) {
	return func(ctx context.Context, hostID string, id int32) {
		if id == node {
			agent(ctx, hostID)
			return
		}
		w.healthyAgent(ctx, hostID, id)
	}
}

func TestDeleteCluster_GivesUpOnAHostThatNeverEnds(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wait(w.create(small(1)))
		w.platform.NeverEnds = true
		op := w.delete("delete")
		w.wait(op)
		w.wantFailed(op, fmt.Sprintf("gave up after %s; last waited for: ", op.Type.Budget()))
		w.wantFailedStep(op, cluster.StepRemoveNodes)
		w.wantOneOfEverything(4) // nothing is taken from a host that lives

		w.platform.NeverEnds = false
		w.wait(w.delete("delete-again"))
		w.wantNothingLeft()
	})
}

func TestCreateCluster_SaysWhichBrokerDoesNotStartAndWhy(t *testing.T) {
	inBubble(t, func(w *world) {
		reason := "Address already in use: 10.0.0.2:9092"
		w.agent = w.onlyFor(2, func(ctx context.Context, hostID string) {
			w.hello(ctx, hostID)
			if spec, ok := w.nextSpec(ctx, hostID, 0); ok {
				w.beat(ctx, hostID, nodespec.Heartbeat{
					Generation: spec.Generation, State: nodespec.Failing, FailedStarts: 3, Reason: reason,
				})
			}
		})
		began := time.Now()
		op := w.create(small(1))
		w.wait(op)
		w.wantFailed(op, "broker 2 does not start (3 attempts): "+reason)
		w.wantFailedStep(op, cluster.StepStartKafka)
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s to say so", took)
		}
	})
}

// wantFailedStep checks at which step an operator sees that an operation has failed.
func (w *world) wantFailedStep(op cluster.Operation, step string) {
	w.t.Helper()
	for _, s := range w.operation(op).Steps {
		if s.Status == cluster.StepFailed && s.Name != step {
			w.t.Errorf("failed at %s, want %s", s.Name, step)
		}
	}
}
