package statemachines_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// What a replacement takes on AWS, modelled as a create is: from the moment in which EC2 begins to end a broker's host, over the
// event that says so and the sweep that it starts, until the broker is in every ISR again.
func TestReplaceBroker_IsModelledWithinItsTimeOnAWS(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 40
	}
	var replacements []modelled
	for run := range runs {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.end()
			w.spec, w.rests = small(3), 30*time.Second
			w.serving()
			replacements = append(replacements, newModel(w, run).replace(2))
		})
	}
	slices.SortFunc(replacements, func(a, b modelled) int { return int(a.total() - b.total()) })
	took := totals(replacements)
	median, budget := replacements[len(replacements)/2], cluster.HealBroker.Budget()
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("replacement of a broker whose host has ended on AWS, %d modelled runs: p50 %s, p90 %s, p99 %s, p99.9 %s of a budget of %s",
		runs, seconds(p50), seconds(took[len(took)*9/10]), seconds(p99), seconds(tail(took)), budget)
	t.Logf("critical path of the median run:\n%s", median)

	if p50 > 150*time.Second {
		t.Errorf("half of the replacements take longer than %s, which is more than 150 s", p50)
	}
	if own := median.own(); own > 6*time.Second {
		t.Errorf("the control plane itself takes %s of the median replacement, more than 6 s", own)
	}
	for _, r := range replacements {
		if r.transitions > 60 {
			t.Errorf("a replacement took %d transitions, more than 60", r.transitions)
			break
		}
	}
	if late := tail(took); late > budget/2 {
		t.Errorf("one replacement of a thousand takes %s, more than half of its budget of %s", late, budget)
	}
}

// replace has EC2 end the host of a node, and models what follows.
func (m *model) replace(node int32) modelled {
	w := m.w
	w.t.Helper()
	for _, id := range []int32{1, 2, 3, 1001, 1002, 1003} {
		m.registers[id] = true
	}
	var op cluster.Operation
	w.beforeStart = func(started cluster.Operation) { op = started }
	death := time.Now()
	if err := w.platform.RetireHost(w.t.Context(), w.hostOf(node)); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(m.draw("ec2.event", "event"))
	told := time.Now()
	time.Sleep(m.draw("states.express-start", "sweep"))
	arn, err := w.engine.Start(w.t.Context(), "health-sweep", "event", []byte(`{}`))
	if err != nil {
		w.t.Fatal(err)
	}
	w.waitFor(arn)
	if op.ID == "" {
		w.t.Fatal("the sweep has started nothing")
	}
	if x := w.wait(op); x.Status != asl.Succeeded {
		w.t.Fatalf("%+v", x)
	}
	w.wantPath(op, replacePath)
	w.mu.Lock()
	defer w.mu.Unlock()
	return m.chain(death, told, len(w.entered[op.ExecutionName()]))
}

// chain is the critical path of steps that follow each other: all of them, after the event that began it.
func (m *model) chain(death, told time.Time, transitions int) modelled {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := slices.SortedFunc(slices.Values(m.calls), func(a, b *stopwatch) int { return a.start.Compare(b.start) })
	out := modelled{transitions: transitions, path: []stretch{{state: "the event", aws: told.Sub(death), waits: told.Sub(death)}}}
	for i, at := range calls {
		s := *at
		if i == 0 {
			s.start = told // its execution had to be started
		}
		if i+1 < len(calls) {
			s.end = calls[i+1].start // the sweep looks on for a while after it has started something
		}
		out.path = append(out.path, m.stretch(&s))
	}
	return out
}
