package statemachines_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

const (
	// growTimer is how often a host looks whether its volume has grown: infra/image/millrace-grow.timer.
	growTimer = 15 * time.Second
	// usableWithin is what is promised of half of the growths: from the request until all brokers can use the room.
	usableWithin = 60 * time.Second
)

// What a growth of all volumes takes on AWS, modelled as a create is: from the request until every broker can use the room, and until
// the operation says so.
func TestUpdateBrokerStorage_IsModelledWithinItsTimeOnAWS(t *testing.T) {
	modelGrowths(t, "growth of the volumes of 3 brokers on AWS", 0, func(*world) {})
}

// The next growth is asked for within minutes, while EBS takes no change of any volume: every broker gets a further one.
func TestUpdateBrokerStorage_ByFurtherVolumesIsModelledWithinItsTimeOnAWS(t *testing.T) {
	modelGrowths(t, "growth of 3 brokers by further volumes on AWS, while theirs rest", 1, (*world).rest)
}

// modelGrowths models growths of what comes before, each of which gives every broker so many further volumes.
func modelGrowths(t *testing.T, what string, further int, before func(*world)) {
	t.Helper()
	runs := 200
	if testing.Short() {
		runs = 40
	}
	var growths []modelled
	var usable []time.Duration
	for run := range runs {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.end()
			w.spec, w.rests = small(3), 30*time.Second
			w.serving()
			before(w)
			growth, room := newModel(w, run).grow(larger)
			growths, usable = append(growths, growth), append(usable, room)
			for _, n := range w.brokers() {
				if got := len(n.Volume.Further); got != further {
					t.Errorf("%s has %d further volumes, want %d", n, got, further)
				}
			}
		})
	}
	slices.SortFunc(growths, func(a, b modelled) int { return int(a.total() - b.total()) })
	slices.Sort(usable)
	early, _ := slices.BinarySearch(usable, usableWithin+1)
	took, budget := totals(growths), cluster.UpdateBrokerStorage.Budget()
	t.Logf("%s, %d modelled runs: all of it usable p50 %s, p90 %s, p99 %s, within %s in %.1f %% of them; operation complete p50 %s, "+
		"p90 %s, p99.9 %s of a budget of %s", what, runs, seconds(usable[runs/2]), seconds(usable[runs*9/10]), seconds(usable[runs*99/100]),
		seconds(usableWithin), 100*float64(early)/float64(runs),
		seconds(took[runs/2]), seconds(took[runs*9/10]), seconds(tail(took)), budget)
	t.Logf("critical path of the median run:\n%s", growths[runs/2])
	if p50 := usable[runs/2]; p50 > usableWithin {
		t.Errorf("half of the growths take longer than %s, which is more than %s", p50, usableWithin)
	}
	if own := growths[runs/2].own(); own > 5*time.Second {
		t.Errorf("the control plane itself takes %s of the median growth, more than 5 s", own)
	}
	for _, g := range growths {
		if g.transitions > 50 {
			t.Errorf("a growth took %d transitions, more than 50", g.transitions)
			break
		}
	}
	if late := tail(took); late > budget/2 {
		t.Errorf("one growth of a thousand takes %s, more than half of its budget of %s", late, budget)
	}
}

// grow models one growth, and tells when the last broker could use the room.
func (m *model) grow(to cluster.VolumeShape) (growth modelled, usable time.Duration) {
	w := m.w
	w.t.Helper()
	m.machine = "update-broker-storage"
	for _, n := range w.brokers() {
		w.ails(n.ID, func(a *ailment) { a.sees = n.Volume.SizeGiB })
	}
	time.Sleep(time.Second)
	w.platform.Growing = func(id string) time.Duration { // with the cloud's lock held
		takes := m.draw("ebs.modified", id)
		for _, node := range []int32{1, 2, 3} {
			if strings.HasSuffix(id, fmt.Sprintf("-%d", node)) {
				go m.hostGrows(node, takes, m.untilLooks(id)+m.draw("host.grow-volume", id))
			}
		}
		return takes
	}
	op := w.recordGrowth(to)
	began := time.Now()
	w.start(op)
	if x := w.wait(op); x.Status != asl.Succeeded {
		w.t.Fatalf("%+v", x)
	}
	w.wantPath(op, growAllPath)
	m.mu.Lock()
	usable = m.happened[event{"CheckVolumeGrown", 0}].Sub(began)
	m.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	return m.summarize(began, len(w.entered[op.ExecutionName()])), usable
}

// hostGrows lets EBS give a host more room after a while, and the host find it after another. Its agent says so when it is news, or
// with the next heartbeat.
func (m *model) hostGrows(node int32, given, found time.Duration) {
	time.Sleep(given)
	m.mu.Lock()
	m.given[node] = time.Now()
	m.mu.Unlock()
	time.Sleep(found)
	m.w.ails(node, func(a *ailment) { a.sees = 0 })
	m.happens("CheckVolumeGrown", node)
}

// attachFurther attaches the further volume of a node as soon as that is available. Its host finds it once it is there, and joins it
// to the others. Whoever waits for the room asks for the same again and again.
func (m *model) attachFurther(ctx context.Context, s *stopwatch) {
	m.takes(ctx, "ec2.describe")
	if !m.first(fmt.Sprint("attaches the further volume of ", s.node)) {
		return
	}
	m.mu.Lock()
	available := m.available[s.node]
	m.mu.Unlock()
	for time.Now().Before(available) {
		from := time.Now()
		time.Sleep(tick)
		s.aws = append(s.aws, timeRange{from, time.Now()})
		m.takes(ctx, "ec2.describe")
	}
	m.takes(ctx, "ebs.attach-volume")
	go m.hostGrows(s.node, m.draw("ebs.attached", s.label), m.untilLooks(s.label)+m.draw("host.join-volume", s.label))
}

// untilLooks is how long it is until a host looks at its volumes.
func (m *model) untilLooks(label string) time.Duration {
	return time.Duration(m.uniform(label) * float64(growTimer))
}

// uniform is a number from 0 to 1.
func (m *model) uniform(label string) float64 {
	return float64(m.draw("states.transition", "timer "+label).Nanoseconds()%1000) / 1000
}
