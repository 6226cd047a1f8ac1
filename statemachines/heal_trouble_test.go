package statemachines_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/serve"
)

// A host that nobody could reach, and that is back before anything was done to it, keeps its node.
func TestReplaceBroker_LeavesANodeAloneThatWorksAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Replace, cluster.Unreachable)
		w.cutOff(2, 3*time.Minute)
		op := w.recordHeal(h)
		time.Sleep(time.Second)
		w.reach(2)
		w.start(op)
		w.wait(op)
		w.wantPath(op, []string{
			"BeginOperation", "RenewKafkaAccess", "IsHostProvenDead", "JudgeReplacement", "IsSafeToReplace", "EndOperation",
			"HasSucceeded", "Succeeded",
		})
		w.wantHealed(op)
		w.wantLaunches(2, 1)
	})
}

// Between a judgement and the deed a function may wait for its turn, and a control plane be away.
func TestReplaceBroker_LooksOnceMoreBeforeItEndsAHost(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(w *world)
		launches  int
	}{
		"the node works again":          {func(w *world) { w.reach(2) }, 1},
		"the node is as sick as before": {func(*world) {}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				h := w.judged(2, cluster.Replace, cluster.Unreachable)
				w.cutOff(2, 3*time.Minute)
				w.steps = nil
				noTurn := &platformtest.Trouble{Times: 15, Err: &serve.Error{Code: "Lambda.TooManyRequestsException"}}
				w.trouble("FenceHost", noTurn)
				op := w.heal(h)
				w.goThrough(noTurn)
				tt.meanwhile(w)
				w.wait(op)
				w.wantHealed(op)
				w.wantLaunches(2, tt.launches)
				if judged := w.calls("JudgeReplacement"); judged != tt.launches { // a node that works again is not even asked about
					t.Errorf("judged %d times: %v", judged, w.stepsOf(2))
				}
			})
		})
	}
}

// A dead host is replaced although nothing inside the VPC can be called, or the secret store is down: neither is needed for that.
func TestReplaceBroker_OfADeadHostNeedsNoKafka(t *testing.T) {
	for name, tt := range map[string]struct {
		missing []string
		want    string // how the operation fails while it lasts
		step    string
	}{
		"nobody inside the VPC can be called": {[]string{"JudgeReplacement", "CheckBrokerInSync"}, excuse, cluster.StepStartKafka},
		"access can't be renewed": {
			[]string{"RenewKafkaAccess"}, "the control plane has no valid access to Kafka", cluster.StepCatchUp,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				w.loseAccess()
				for _, step := range tt.missing {
					w.trouble(step, &platformtest.Trouble{Times: -1, Err: unavailable()})
				}
				began := time.Now()
				op := w.loseHost(2)
				for len(w.kafka.alive()) < 3 {
					time.Sleep(time.Second)
				}
				if took := time.Since(began); took > 3*time.Minute {
					t.Errorf("it took %s until the broker was back", took)
				}
				if x := w.wait(op); x.Status != asl.Failed {
					t.Errorf("%+v", x)
				}
				w.wantFailed(op, tt.want)
				w.wantFailedStep(op, tt.step)
				w.wantLaunches(2, 2)
				w.kafka.wantInSync()
			})
		})
	}
}

func TestReplaceBroker_TriesForAccessAgainOnceTheHostIsReplaced(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.loseAccess()
		w.trouble("RenewKafkaAccess", &platformtest.Trouble{Times: 30, Err: unavailable()})
		op := w.loseHost(2)
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Errorf("%s: %s", x.Error, x.Cause)
		}
		w.wantHealed(op)
		w.wantLaunches(2, 2)
		if w.starts(2) != 2 {
			t.Errorf("Kafka was started %d times", w.starts(2))
		}
	})
}

// One broker of three is away already, and the next one would take partitions below min.insync.replicas.
func TestReplaceBroker_DoesNotEndAHostThatMayStillServe(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Replace, cluster.HostImpaired)
		w.kafka.ail(w.hostOf(2), func(a *ailment) { a.mute = true }) // Kafka goes on
		w.kafka.ail(w.hostOf(3), func(a *ailment) { a.held = true })
		time.Sleep(3 * time.Minute)
		op := w.heal(h)
		time.Sleep(5 * time.Minute)
		if w.operation(op).Ended() || !slices.Contains(w.platform.Alive(), h.Host) {
			t.Fatalf("%+v; alive are %v", w.operation(op), w.platform.Alive())
		}
		if s := w.operation(op).Steps[0]; s.Status != cluster.StepInProgress || !strings.Contains(s.Detail, "orders-") {
			t.Errorf("the operation says %+v, not which partition it waits for", s)
		}
		w.kafka.ail(w.hostOf(3), func(a *ailment) { a.held = false })
		w.wait(op)
		w.wantHealed(op)
		w.wantLaunches(2, 2)
	})
}

// Whoever comes late, or twice, with what was judged of a host finds it gone, and its successor is none of their business.
func TestReplaceBroker_EndsNoHostButTheOneThatWasJudged(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		op := w.loseHost(2)
		w.wait(op)
		w.wantHealed(op)
		successor := w.hostOf(2)

		x := w.waitFor(w.startAs(op, "by-hand")) // the same operation, once more
		if x.Status != asl.Failed || x.Error != string(fault.Conflict) {
			t.Errorf("an operation that is over was carried out again: %+v", x)
		}
		late := *w.operation(op).Heal // the same judgement, in another operation
		late.Proven, late.Condition = false, cluster.Unreachable
		again := w.heal(late)
		if x := w.wait(again); x.Status != asl.Succeeded {
			t.Errorf("%+v", x)
		}
		late.Proven, late.Condition = true, cluster.HostDead
		again = w.heal(late)
		if x := w.wait(again); x.Status != asl.Succeeded {
			t.Errorf("%+v", x)
		}
		late.Remedy = cluster.Restart
		again = w.heal(late)
		if x := w.wait(again); x.Status != asl.Succeeded {
			t.Errorf("%+v", x)
		}
		w.wantHealed(again)
		if w.hostOf(2) != successor || w.starts(2) != 2 {
			t.Errorf("host %s became %s, and Kafka was started %d times", successor, w.hostOf(2), w.starts(2))
		}
		w.wantLaunches(2, 2)
	})
}

// A host that can't be ended may write: its volume and its address stay with it.
func TestReplaceBroker_TakesNothingFromAHostThatDoesNotEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Replace, cluster.Unreachable)
		w.cutOff(2, 3*time.Minute)
		w.platform.NeverEnds = true
		op := w.heal(h)
		w.wait(op)
		w.wantFailed(op, "gave up after 30m0s; last waited for: broker 2: host "+h.Host+" is running")
		w.wantFailedStep(op, cluster.StepFence)
		w.wantLaunches(2, 1)
		if holder := w.platform.AttachedTo(launchOf(2, 0)); holder != h.Host {
			t.Errorf("its volume went to %q", holder)
		}

		w.platform.NeverEnds = false
		op = w.heal(w.judged(2, cluster.Replace, cluster.Unreachable))
		w.wait(op)
		w.wantHealed(op)
		w.wantLaunches(2, 2)
	})
}

// The new host may end, too, at any moment. That is told at once, and the next heal launches another.
func TestReplaceBroker_SaysThatTheNewHostEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		after func(w *world) // the launch
		agent func(w *world) func(context.Context, string)
		want  string
	}{
		"while it starts": {
			after: func(w *world) { time.Sleep(w.platform.BootsWithin / 2) },
			want:  "of broker 2 ended while it started",
		},
		"before it reports": {
			after: func(w *world) { time.Sleep(2 * w.platform.BootsWithin) },
			agent: func(*world) func(context.Context, string) { return func(context.Context, string) {} },
			want:  "of broker 2 ended before it reported",
		},
		"before Kafka runs": {
			after: func(w *world) { time.Sleep(2 * w.platform.BootsWithin) },
			agent: func(w *world) func(context.Context, string) { return w.hello },
			want:  "of broker 2 has ended",
		},
		"while it catches up": {
			after: func(w *world) {
				for w.starts(2) < 2 {
					time.Sleep(time.Second)
				}
			},
			want: "of broker 2 has ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				if tt.agent != nil {
					w.agent = w.onlyFor(2, tt.agent(w))
				}
				op := w.loseHost(2)
				for w.platform.Launched()[launchOf(2, 0)] < 2 {
					time.Sleep(time.Second)
				}
				tt.after(w)
				w.platform.Kill(w.platform.HostIDOf(launchOf(2, 2)))
				w.sweepHealth() // which the end of a host starts
				began := time.Now()
				w.wait(op)
				w.wantFailed(op, tt.want)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s to say so", took)
				}

				w.agent = w.healthyAgent
				op = w.loseHost(2)
				w.wait(op)
				w.wantHealed(op)
				w.wantLaunches(2, 3)
			})
		})
	}
}

// A launch whose answer nobody wrote down is found by its token.
func TestReplaceBroker_FindsAHostThatWasLaunchedRightBeforeACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		old := w.hostOf(2)
		w.loseRecordsOf(launchOf(2, 2))
		op := w.loseHost(2)
		w.wait(op)
		w.wantFailed(op, excuse)
		w.write = nil
		if w.hostOf(2) != old || !slices.Contains(w.platform.Alive(), w.platform.HostIDOf(launchOf(2, 2))) {
			t.Fatalf("the host of broker 2 is on record as %s, alive are %v", w.hostOf(2), w.platform.Alive())
		}
		op = w.heal(w.judged(2, cluster.Replace, cluster.HostDead))
		w.wait(op)
		w.wantHealed(op)
		w.wantLaunches(2, 2)
	})
}

// What the platform does although its answer is lost is found again: no second host, and nothing is left.
func TestHeals_MayLoseAnswersOfThePlatform(t *testing.T) {
	for _, o := range underTest {
		if !slices.Contains([]string{"replace-broker", "grow-volume"}, o.machine) {
			continue
		}
		for _, call := range []string{
			"Host", "HostStates", "RetireHost", "LaunchHost", "ForgetHost", "AttachVolume", "GrowVolume", "VolumeGrown", "Secret",
		} {
			t.Run(o.String()+"/"+call, func(t *testing.T) {
				inBubble(t, func(w *world) {
					w.beforeStart = func(op cluster.Operation) {
						if op.Machine() == o.machine {
							w.platform.Trouble(call, &platformtest.Trouble{Times: 3, Lost: true, Err: fault.New(fault.Unavailable, "%s", excuse)})
						}
					}
					op := o.begin(w)
					if x := w.wait(op); x.Status != asl.Succeeded {
						t.Errorf("%s: %s", x.Error, x.Cause)
					}
					w.platform.Trouble(call, nil)
					o.wantDone(w, op)
				})
			})
		}
	}
}

// Whoever waits for a broker that waits for a controller, whose host has gone too, would wait for ever.
func TestReplaceBroker_DoesNotWaitWhileAnotherNodeHasLostItsHost(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		controller := w.judged(1001, cluster.Replace, cluster.HostDead)
		w.platform.Kill(controller.Host)
		op := w.loseHost(2)
		began := time.Now()
		if x := w.wait(op); x.Status != asl.Succeeded || time.Since(began) > 2*time.Minute {
			t.Errorf("%+v after %s", x, time.Since(began))
		}
		if got := w.path(op); !slices.Contains(got, "CheckNodeJoined") || slices.Contains(got, "CheckBrokerInSync") {
			t.Errorf("it went %v", got)
		}
		op = w.heal(controller)
		w.wait(op)
		time.Sleep(time.Minute)
		w.wantHealed(op)
		w.wantLaunches(2, 2)
		w.wantLaunches(1001, 2)
	})
}

// The controller is there and does nothing: as long as somebody waits for the broker, nobody heals the controller.
func TestReplaceBroker_DoesNotWaitWhileTheQuorumIsLost(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		controller := w.judged(1001, cluster.Restart, cluster.KafkaHeld)
		w.kafka.ail(controller.Host, func(a *ailment) { a.held = true })
		time.Sleep(time.Minute)
		err := w.records.PutHealth(w.t.Context(), cluster.Health{ClusterID: clusterID, LookedAt: time.Now(), Findings: []cluster.Finding{{
			NodeID: 1001, Role: cluster.Controller, Host: controller.Host, Condition: cluster.KafkaHeld, Remedy: cluster.Restart,
			Since: time.Now(), ToleratedUntil: time.Now(),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		op := w.loseHost(2)
		began := time.Now()
		if x := w.wait(op); x.Status != asl.Succeeded || time.Since(began) > 2*time.Minute {
			t.Errorf("%+v after %s", x, time.Since(began))
		}
		w.wantLaunches(2, 2)
	})
}

// A second broker is lost while the first catches up.
func TestReplaceBroker_LetsABrokerCatchUpAloneWhenAnotherHasLostItsHost(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.kafka.slowly(time.Hour)
		op := w.loseHost(2)
		for !slices.Contains(w.path(op), "CheckBrokerInSync") {
			time.Sleep(time.Second)
		}
		lost := w.judged(3, cluster.Replace, cluster.HostDead)
		w.platform.Kill(lost.Host)
		began := time.Now()
		if x := w.wait(op); x.Status != asl.Succeeded || time.Since(began) > time.Minute {
			t.Errorf("%+v after %s", x, time.Since(began))
		}
		w.kafka.slowly(catchesUp)
		op = w.heal(lost)
		w.wait(op)
		time.Sleep(time.Hour)
		w.wantHealed(op)
	})
}

// A held Kafka is ended and started again once, however often the host is told.
func TestRestartBroker_StartsKafkaOnceMore(t *testing.T) {
	for _, node := range []int32{2, 1001} {
		inBubble(t, func(w *world) {
			w.spec = small(3)
			w.serving()
			host := w.hostOf(node)
			w.trouble("WriteNodeSpec", &platformtest.Trouble{Times: 3, Lost: true, Err: unavailable()})
			op := w.holdKafka(node)
			w.wait(op)
			w.wantPath(op, restartPath)
			w.wantHealed(op)
			if w.hostOf(node) != host || w.starts(node) != 2 {
				t.Errorf("host %s became %s, and Kafka was started %d times", host, w.hostOf(node), w.starts(node))
			}
		})
	}
}

func TestRestartBroker_LeavesANodeAloneThatWorksAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Restart, cluster.KafkaHeld)
		w.kafka.ail(h.Host, func(a *ailment) { a.held = true })
		time.Sleep(30 * time.Second)
		op := w.recordHeal(h)
		noTurn := &platformtest.Trouble{Times: 15, Err: &serve.Error{Code: "Lambda.TooManyRequestsException"}}
		w.trouble("WriteNodeSpec", noTurn)
		w.start(op)
		w.goThrough(noTurn)
		w.kafka.ail(h.Host, func(a *ailment) { a.held = false }) // by whoever held it
		w.wait(op)
		w.wantPath(op, []string{
			"BeginOperation", "RenewKafkaAccess", "JudgeReplacement", "IsSafeToRestart", "WriteNodeSpec", "IsStillToRestart",
			"EndOperation", "HasSucceeded", "Succeeded",
		})
		w.wantHealed(op)
		if w.starts(2) != 1 {
			t.Errorf("Kafka was started %d times", w.starts(2))
		}
	})
}

// What a restart does not help is for something else to help, soon.
func TestRestartBroker_GivesUpSoon(t *testing.T) {
	for name, tt := range map[string]struct {
		ails func(*ailment)
		want string
	}{
		"Kafka does not start":       {func(a *ailment) { a.silent, a.broken = true, true }, "Kafka ended with status 1"},
		"Kafka is not even launched": {func(a *ailment) { a.silent, a.stuck = true, true }, "gave up 3m0s after the restart; last waited for: broker 2: "},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				h := w.judged(2, cluster.Restart, cluster.KafkaSilent)
				w.kafka.ail(h.Host, tt.ails)
				time.Sleep(time.Minute)
				began := time.Now()
				op := w.heal(h)
				w.wait(op)
				w.wantFailed(op, tt.want)
				w.wantFailedStep(op, cluster.StepRestartKafka)
				if took := time.Since(began); took > 4*time.Minute {
					t.Errorf("it took %s to say so", took)
				}
				op = w.heal(w.judged(2, cluster.Replace, cluster.KafkaDown))
				w.wait(op)
				w.wantHealed(op)
				w.wantLaunches(2, 2)
			})
		})
	}
}

// A Kafka that was killed goes through its whole log. As long as it lives, that is no reason to start it once more.
func TestRestartBroker_WaitsForALongLog(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Restart, cluster.KafkaHeld)
		w.kafka.ail(h.Host, func(a *ailment) { a.held = true })
		time.Sleep(time.Minute)
		w.kafka.ail(h.Host, func(a *ailment) { a.longLog = 20 * time.Minute })
		op := w.heal(h)
		w.wait(op)
		w.wantHealed(op)
		if w.starts(2) != 2 {
			t.Errorf("Kafka was started %d times", w.starts(2))
		}
	})
}

func TestGrowVolume_BringsABrokerBackThatHadNoRoom(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		host := w.hostOf(2)
		op := w.fillVolume(2)
		w.wait(op)
		w.wantPath(op, growPath)
		w.wantHealed(op)
		if w.hostOf(2) != host || w.starts(2) != 2 {
			t.Errorf("host %s became %s, and Kafka was started %d times", host, w.hostOf(2), w.starts(2))
		}
	})
}

// A volume that is nearly full is grown under a broker that goes on.
func TestGrowVolume_DoesNotStopABrokerThatRuns(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.fill(2, 99)
		h := w.judged(2, cluster.Grow, cluster.DiskFull)
		h.VolumeGiB = 110
		op := w.heal(h)
		w.wait(op)
		w.wantHealed(op)
		if w.starts(2) != 1 {
			t.Errorf("Kafka was started %d times", w.starts(2))
		}
	})
}

func TestGrowVolume_SaysThatThereIsNoMoreRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(w *world)
		want  string
	}{
		"the platform does not grow it": {func(w *world) { w.platform.NeverGrows = true }, "does not have 110 GiB yet"},
		"the host does not see it":      {func(w *world) { w.fill(2, 1000) }, "its host has found no more room on volume"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serving()
				tt.spoil(w)
				op := w.fillVolume(2)
				tt.spoil(w)
				w.wait(op)
				w.wantFailed(op, tt.want)
				w.wantFailedStep(op, cluster.StepGrowVolume)
			})
		})
	}
}

// A heal that nobody works on any more is ended like any operation, and the cluster serves on.
func TestSweep_EndsAHealThatNobodyWorksOn(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		op := w.loseHost(2)
		time.Sleep(7 * time.Second)
		w.abort(op, op.ExecutionName())
		if got := w.sweep(); got.Started != 0 || got.Ended != 1 {
			t.Errorf("%+v", got)
		}
		w.wantFailed(op, "stopped by hand")
		_, _, err := w.records.ChangeOperation(t.Context(), clusterID, op.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			if op.TryAgain(c) {
				t.Error("a heal is not tried again: the next look decides anew")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestSweep_StartsAHealThatWasRecordedRightBeforeACrash(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		h := w.judged(2, cluster.Replace, cluster.HostDead)
		w.platform.Kill(h.Host)
		op := w.recordHeal(h)
		if got := w.sweep(); got.Started != 1 || got.Ended != 0 {
			t.Errorf("%+v", got)
		}
		w.wait(op)
		w.wantPath(op, replacePath)
		w.wantHealed(op)
	})
}

// goThrough waits until a trouble has been met as often as it was to be.
func (w *world) goThrough(t *platformtest.Trouble) {
	for left := 1; left > 0; {
		time.Sleep(time.Second)
		w.mu.Lock()
		left = t.Times
		w.mu.Unlock()
	}
}

// cutOff keeps everybody from reaching the host of a node, for so long already.
func (w *world) cutOff(node int32, since time.Duration) {
	w.t.Helper()
	w.kafka.ail(w.hostOf(node), func(a *ailment) { a.apart = true })
	time.Sleep(since)
}

// reach ends that.
func (w *world) reach(node int32) {
	w.t.Helper()
	w.kafka.ail(w.hostOf(node), func(a *ailment) { a.apart, a.mute = false, false })
	time.Sleep(agentLooks)
}

// starts is how often the Kafka of a node was started.
func (w *world) starts(node int32) int {
	w.kafka.mu.Lock()
	defer w.kafka.mu.Unlock()
	return w.kafka.starts[node]
}
