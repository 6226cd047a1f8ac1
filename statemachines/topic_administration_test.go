package statemachines_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// The way of an application in which all goes well.
var applyPath = []string{
	"BeginOperation", "RenewKafkaAccess", "PlanTopicChanges", "AreChangesPlanned", "ApplyTopicChanges", "AreChangesMade",
	"CheckTopics", "AreTopicsAsDeclared", "EndOperation", "HasSucceeded", "Succeeded",
}

// serveTopics makes a cluster with the topics that there are before a declaration is applied.
func (w *world) serveTopics() {
	w.t.Helper()
	w.serving()
	w.found()
}

// waitUntil lets time pass until something is so.
func (w *world) waitUntil(what string, is func() bool) {
	w.t.Helper()
	for range 60 * 60 {
		if is() {
			return
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("it is not so within an hour that %s", what)
}

// detail is what an operator reads at a step that is under way.
func (w *world) detail(op cluster.Operation, step string) string {
	w.t.Helper()
	for _, s := range w.operation(op).Steps {
		if s.Name == step && s.Status == cluster.StepInProgress {
			return s.Detail
		}
	}
	return ""
}

func TestTopicAdministration_MakesTopicsAsDeclared(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		version := w.cluster().Version
		op := w.apply(wanted()...)
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		w.wantPath(op, applyPath)
		w.wantApplied(op)
		want := []string{"CreateTopic payments", "GrowTopic clicks", "ConfigureTopic orders", "DeleteTopic refunds"}
		if got := w.topics.Changes(); !slices.Equal(got, want) {
			t.Errorf("did %q, want %q", got, want)
		}
		if c := w.cluster(); c.Version != version || c.State() != cluster.Active || c.Declaration != op.ID {
			t.Errorf("it left the cluster %s as %s, in version %s", c.State(), c.Declaration, c.Version)
		}
		d, err := w.records.TopicDrift(t.Context(), clusterID)
		if err != nil || d.Declaration != op.ID || d.Count != 0 || !d.Since.IsZero() {
			t.Errorf("the drift is %+v, %v", d, err)
		}

		op = w.apply(wanted()...) // there is nothing left to be done
		w.wait(op)
		w.wantApplied(op)
		if got := w.topics.Changes(); !slices.Equal(got, want) {
			t.Errorf("applied again, it did %q", got[len(want):])
		}
		if took := w.operation(op).EndedAt.Sub(op.CreatedAt); took > time.Second {
			t.Errorf("it took %s to see that", took)
		}
	})
}

// What can't be done keeps all the rest from being done.
func TestTopicAdministration_ChangesNothingWhenNotAllCanBeDone(t *testing.T) {
	for name, tt := range map[string]struct {
		declared cluster.TopicSpec
		want     string
	}{
		"the plan says no": {spec("billing", 3), "grow billing: it has 6 partitions, and partitions can't be taken away"},
		"Kafka says no":    {spec("billing", 6, "max.message.bytes=many"), "configure billing: "},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serveTopics()
				before := w.describe()
				op := w.apply(tt.declared, spec("payments", 3))
				if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Invalid) {
					t.Errorf("%s: %s: %s", x.Status, x.Error, x.Cause)
				}
				if path := w.path(op); path[len(path)-1] != "FailedUnchanged" {
					t.Errorf("it went %v", path)
				}
				w.wantFailed(op, "nothing was changed, since not all can be done: "+tt.want)
				w.wantFailedStep(op, cluster.StepPlanTopics)
				if got := w.describe(); !slices.Equal(got, before) || len(w.topics.Changes()) > 0 {
					t.Errorf("it did %v: %v", w.topics.Changes(), got)
				}
				w.wantLetGo()
			})
		})
	}
}

func TestTopicAdministration_SaysHowFarItGotWhenKafkaRefusesInTheMiddle(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		w.topics.refuse("orders", fault.Refused(fault.Invalid, "POLICY_VIOLATION", "configure topic orders: not on a Friday"))
		op := w.apply(wanted()...)
		if x := w.wait(op); x.Status != asl.Failed || x.Error != string(fault.Invalid) {
			t.Errorf("%s: %s: %s", x.Status, x.Error, x.Cause)
		}
		if path := w.path(op); path[len(path)-1] != "FailedPartway" {
			t.Errorf("it went %v", path)
		}
		w.wantFailed(op, "configure topic orders: not on a Friday (2 of 4 changes were made)")
		w.wantFailedStep(op, cluster.StepApplyTopics)
		if c := w.cluster(); c.Declaration != op.ID {
			t.Errorf("wanted is %s, not what was declared last", c.Declaration)
		}

		w.topics.refuse("orders", nil)
		op = w.apply(wanted()...)
		w.wait(op)
		w.wantApplied(op)
	})
}

// Brokers come back, and all goes on from where it was.
func TestTopicAdministration_WaitsForBrokers(t *testing.T) {
	for name, moment := range map[string]string{"before it plans": "", "in the middle": "GrowTopic"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serveTopics()
				away := func() {
					for _, node := range []int32{1, 2, 3} {
						w.kafka.ail(w.hostOf(node), func(a *ailment) { a.held = true })
					}
					w.waitUntil("no broker is there", func() bool { return len(w.kafka.alive()) == 0 })
				}
				step := cluster.StepApplyTopics
				if moment == "" {
					away()
					step = cluster.StepPlanTopics
				}
				w.topics.whenChanged(func(method, _ string) {
					if method == moment {
						w.topics.whenChanged(nil)
						away()
					}
				})
				op := w.apply(wanted()...)
				w.waitUntil("it is said what is waited for", func() bool {
					return strings.Contains(w.detail(op, step), "no broker answers")
				})
				time.Sleep(5 * time.Minute)
				for _, node := range []int32{1, 2, 3} {
					w.kafka.ail(w.hostOf(node), func(a *ailment) { a.held = false })
				}
				if x := w.wait(op); x.Status != asl.Succeeded {
					t.Errorf("%s: %s", x.Error, x.Cause)
				}
				w.wantApplied(op)
			})
		})
	}
}

func TestTopicAdministration_GivesUpAtItsDeadlineInWords(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil      func(w *world)
		step, want string
	}{
		"no broker is there": {
			func(w *world) {
				for _, node := range []int32{1, 2, 3} {
					w.kafka.ail(w.hostOf(node), func(a *ailment) { a.held = true })
				}
				w.waitUntil("no broker is there", func() bool { return len(w.kafka.alive()) == 0 })
			},
			cluster.StepPlanTopics, "no broker answers",
		},
		"partitions are being moved for ever": {
			func(w *world) {
				w.topics.refuse("clicks", fault.Refused(fault.Conflict, "REASSIGNMENT_IN_PROGRESS", "give topic clicks 12 partitions: a reassignment is in progress"))
			},
			cluster.StepApplyTopics, "give topic clicks 12 partitions: a reassignment is in progress",
		},
		"a topic has no leader": {
			func(w *world) { w.topics.loseLeaders("payments") },
			cluster.StepCheckTopics, "3 of 27 partitions have no leader, payments-0 the first of them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serveTopics()
				tt.spoil(w)
				op := w.apply(wanted()...)
				w.wait(op)
				w.wantFailed(op, fmt.Sprintf("gave up after %s; last waited for: ", op.Type.Budget()))
				w.wantFailed(op, tt.want)
				w.wantFailedStep(op, tt.step)
				if took := w.operation(op).EndedAt.Sub(op.CreatedAt); took > op.Type.Budget()+2*time.Minute {
					t.Errorf("it took %s", took)
				}
				w.wantLetGo()
			})
		})
	}
}

// An answer that is lost is no reason to do a thing twice, or to fail.
func TestTopicAdministration_LooksAgainWhenAnAnswerIsLost(t *testing.T) {
	for _, method := range []string{"CreateTopic", "GrowTopic", "ConfigureTopic", "DeleteTopic"} {
		t.Run(method, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serveTopics()
				w.topics.whenChanged(func(next, _ string) {
					if next == method {
						w.topics.whenChanged(nil)
						w.topics.LoseAnswer(method, fault.Refused(fault.Unavailable, "REQUEST_TIMED_OUT", "nobody answers"))
					}
				})
				op := w.apply(wanted()...)
				if x := w.wait(op); x.Status != asl.Succeeded {
					t.Errorf("%s: %s", x.Error, x.Cause)
				}
				w.wantApplied(op)
				if got := w.topics.Changes(); len(got) != 4 {
					t.Errorf("did %q", got)
				}
			})
		})
	}
}

// Topics are nobody's alone: others make, change and delete them at any moment.
func TestTopicAdministration_GoesOnFromWhatOthersDoMeanwhile(t *testing.T) {
	for name, interfere := range map[string]func(w *world, method, topic string) (done bool){
		"a topic grows as it was to grow": func(w *world, method, topic string) bool {
			if method != "GrowTopic" {
				return false
			}
			w.topics.Make(access.Access{}, spec(topic, 12, "retention.ms=86400000"))
			return true
		},
		"the topic is made by somebody else": func(w *world, method, topic string) bool {
			if method != "CreateTopic" {
				return false
			}
			w.topics.Make(access.Access{}, spec(topic, 1))
			return true
		},
		"a topic that was to be deleted is gone": func(w *world, method, topic string) bool {
			if method != "DeleteTopic" {
				return false
			}
			return w.topics.Pool.DeleteTopic(w.t.Context(), access.Access{}, topic) == nil
		},
		"a topic that was made is deleted": func(w *world, method, _ string) bool {
			if method != "ConfigureTopic" {
				return false
			}
			return w.topics.Pool.DeleteTopic(w.t.Context(), access.Access{}, "payments") == nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.serveTopics()
				w.topics.whenChanged(func(method, topic string) {
					if interfere(w, method, topic) {
						w.topics.whenChanged(nil)
					}
				})
				op := w.apply(wanted()...)
				if x := w.wait(op); x.Status != asl.Succeeded {
					t.Errorf("%s: %s", x.Error, x.Cause)
				}
				w.wantApplied(op)
			})
		})
	}
}

// What somebody else has made of a topic may be more than can be taken back.
func TestTopicAdministration_StopsWhenNotAllCanBeDoneAnyMore(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		w.topics.whenChanged(func(method, topic string) {
			if method == "GrowTopic" {
				w.topics.Make(access.Access{}, spec(topic, 24, "retention.ms=86400000"))
			}
		})
		op := w.apply(wanted()...)
		w.wait(op)
		w.wantFailed(op, "grow clicks: it has 24 partitions, and partitions can't be taken away")
		w.wantFailed(op, "topics have changed since this was planned")
		if path := w.path(op); path[len(path)-1] != "FailedPartway" {
			t.Errorf("it went %v", path)
		}
	})
}

// Many topics take many turns, each of which goes on where the one before has stopped; people see how far it is.
func TestTopicAdministration_MakesAThousandTopicsInTurns(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serving()
		w.topics.slowly(100 * time.Millisecond)
		var specs []cluster.TopicSpec
		for i := range 1000 {
			specs = append(specs, spec(fmt.Sprintf("topic-%04d", i), 1))
		}
		op := w.apply(specs...)
		percents, details := []int{}, map[string]bool{}
		w.waitUntil("all are made", func() bool {
			now := w.operation(op)
			percents = append(percents, now.Percent())
			if detail := w.detail(op, cluster.StepApplyTopics); detail != "" {
				details[detail] = true
			}
			return now.Ended()
		})
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Fatalf("%s: %s", x.Error, x.Cause)
		}
		if !slices.IsSorted(percents) || len(slices.Compact(percents)) < 20 {
			t.Errorf("progress was told as %v", percents)
		}
		if len(details) < 50 {
			t.Errorf("it was said that %v", details)
		}
		for detail := range details {
			if n, topic := 0, ""; true {
				if _, err := fmt.Sscanf(detail, "%d of 1000: created %s", &n, &topic); err != nil || topic != fmt.Sprintf("topic-%04d", n-1) {
					t.Errorf("it was said that %s", detail)
				}
			}
		}
		if calls := w.calls("ApplyTopicChanges"); calls < 5 || calls > 8 {
			t.Errorf("it took %d turns", calls)
		}
		if got := w.topics.Changes(); len(got) != 1000 {
			t.Errorf("%d changes were made", len(got))
		}
	})
}

// Topics can be made while their cluster is healed, and each of the two ends as if it were alone.
func TestTopicAdministration_GoesOnBesideAHeal(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		version := w.cluster().Version
		w.topics.slowly(10 * time.Second)
		heal := w.loseHost(2)
		op := w.apply(wanted()...)
		w.waitUntil("the application is at work", func() bool { return w.detail(op, cluster.StepApplyTopics) != "" })
		if c := w.cluster(); c.State() != cluster.Healing || !heal.Holds(c) || !op.Holds(c) {
			t.Errorf("the cluster is %s, held by %+v and %+v", c.State(), c.Active, c.Applying)
		}
		if x := w.wait(op); x.Status != asl.Succeeded {
			t.Errorf("%s: %s", x.Error, x.Cause)
		}
		w.wait(heal)
		w.wantApplied(op)
		w.wantHealed(heal)
		w.wantLaunches(2, 2)
		if c := w.cluster(); c.Version == version {
			t.Errorf("the cluster is still of version %s", c.Version)
		}
	})
}

// A cluster may be deleted at any moment while its topics are applied: nobody is left who works on it, and nothing of it.
func TestTopicAdministration_EndsWhenItsClusterIsDeleted(t *testing.T) {
	for second := range 12 {
		inBubble(t, func(w *world) {
			w.serveTopics()
			w.topics.slowly(3 * time.Second)
			op := w.apply(wanted()...)
			time.Sleep(time.Duration(second) * time.Second)
			remove := w.delete("delete")
			x := w.wait(op)
			if x.Status != asl.Failed || x.Error != string(fault.Conflict) && x.Error != string(fault.NotFound) {
				t.Errorf("deleted after %d s, it has %s: %s: %s", second, x.Status, x.Error, x.Cause)
			}
			if x := w.wait(remove); x.Status != asl.Succeeded {
				t.Errorf("%s: %s", x.Error, x.Cause)
			}
			if got := w.sweep(); got.Started+got.Ended > 0 {
				t.Errorf("the sweep finds %+v", got)
			}
			w.wantNothingLeft()
		})
	}
}

func TestTopicAdministration_IsNotBegunOnceItsClusterIsDeleted(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		op := w.recordApplication(wanted()...) // and the control plane dies before it starts the machine
		remove := w.delete("delete")
		w.sweep()
		w.wait(op)
		w.wait(remove)
		w.wantNothingLeft()
	})
}

func TestTopicAdministration_ThatWasCutOffIsEndedByTheSweepAndAppliedAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		w.topics.slowly(10 * time.Second)
		op := w.apply(wanted()...)
		time.Sleep(15 * time.Second)
		w.abort(op, op.ExecutionName())
		if got := w.sweep(); got.Ended != 1 {
			t.Errorf("%+v", got)
		}
		w.wantFailed(op, "stopped by hand")
		op = w.apply(wanted()...)
		w.wait(op)
		w.wantApplied(op)
	})
}

// Whoever takes an application over sees how much of it was done.
func TestTopicAdministration_IsTakenOver(t *testing.T) {
	inBubble(t, func(w *world) {
		w.serveTopics()
		w.topics.slowly(10 * time.Second)
		op := w.apply(wanted()...)
		time.Sleep(15 * time.Second)
		w.abort(op, op.ExecutionName())
		if x := w.waitFor(w.startAs(op, "by-hand")); x.Status != asl.Succeeded {
			t.Errorf("%s: %s", x.Error, x.Cause)
		}
		w.wantApplied(op)
		if got := w.operation(op).Topics.Planned; got != 4 {
			t.Errorf("%d changes were planned", got)
		}
	})
}
