package statemachines_test

import (
	"fmt"
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
	replacements := modelReplacements(t, "host has ended", replacePath, (*model).endsHost)
	if p50 := replacements[len(replacements)/2].total(); p50 > 150*time.Second {
		t.Errorf("half of the replacements take longer than %s, which is more than 150 s", p50)
	}
	own := make([]time.Duration, len(replacements))
	for i, r := range replacements {
		own[i] = r.own()
	}
	slices.Sort(own)
	if half := own[len(own)/2]; half > 6*time.Second {
		t.Errorf("the control plane itself takes %s of half of the replacements, more than 6 s", half)
	}
}

// A host may also die while EC2 goes on to call it running. Only its silence tells then, which is borne for a while, and it has to
// be ended before it is replaced.
func TestReplaceBroker_OfAHostThatOnlyFallsSilentIsModelledOnAWS(t *testing.T) {
	replacements := modelReplacements(t, "host is silent and said to run", judgedPath, (*model).silencesHost)
	if p50 := replacements[len(replacements)/2].total(); p50 > 5*time.Minute {
		t.Errorf("half of the replacements take longer than %s, which is more than five minutes", p50)
	}
}

// modelReplacements models replacements, and gives them by how long they took.
func modelReplacements(t *testing.T, what string, path []string, dies func(m *model, node int32) (told time.Time)) []modelled {
	t.Helper()
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
			w.sweepHealth()
			replacements = append(replacements, newModel(w, run).replace(2, path, dies))
		})
	}
	slices.SortFunc(replacements, func(a, b modelled) int { return int(a.total() - b.total()) })
	took, budget := totals(replacements), cluster.HealBroker.Budget()
	t.Logf("replacement of a broker whose %s on AWS, %d modelled runs: p50 %s, p90 %s, p99 %s, p99.9 %s of a budget of %s",
		what, runs, seconds(took[len(took)/2]), seconds(took[len(took)*9/10]), seconds(took[len(took)*99/100]), seconds(tail(took)), budget)
	t.Logf("critical path of the median run:\n%s", replacements[len(replacements)/2])
	for _, r := range replacements {
		if r.transitions > 60 {
			t.Errorf("a replacement took %d transitions, more than 60", r.transitions)
			break
		}
	}
	if late := tail(took); late > budget/2 {
		t.Errorf("one replacement of a thousand takes %s, more than half of its budget of %s", late, budget)
	}
	return replacements
}

// endsHost has EC2 end a host. EC2 says so in an event.
func (m *model) endsHost(node int32) (told time.Time) {
	m.w.t.Helper()
	if err := m.w.platform.RetireHost(m.w.t.Context(), m.w.hostOf(node)); err != nil {
		m.w.t.Fatal(err)
	}
	time.Sleep(m.draw("ec2.event", "event"))
	return time.Now()
}

// silencesHost cuts a host off. The others say in their heartbeats that its broker is fenced, and the table's stream tells.
func (m *model) silencesHost(node int32) (told time.Time) {
	m.w.ails(node, func(a *ailment) { a.apart = true })
	time.Sleep(fencedAfter + m.draw("dynamodb.stream", "event") + m.draw("lambda.warm", "event"))
	return time.Now()
}

// replace has the host of a node die, and models what follows.
func (m *model) replace(node int32, path []string, dies func(m *model, node int32) (told time.Time)) modelled {
	w := m.w
	w.t.Helper()
	for _, id := range []int32{1, 2, 3, 1001, 1002, 1003} {
		m.registers[id] = true
	}
	var op cluster.Operation
	w.beforeStart = func(started cluster.Operation) { op = started }
	death := time.Now()
	told := dies(m, node)
	time.Sleep(m.draw("states.express-start", "sweep"))
	for minute := 0; op.ID == ""; minute++ { // the event's, and then those of the schedule
		arn, err := w.engine.Start(w.t.Context(), "health-sweep", fmt.Sprint("sweep-", minute), []byte(`{}`))
		if err != nil {
			w.t.Fatal(err)
		}
		w.waitFor(arn)
		if minute == 10 {
			w.t.Fatal("no sweep has started anything")
		}
	}
	if x := w.wait(op); x.Status != asl.Succeeded {
		w.t.Fatalf("%+v", x)
	}
	w.wantPath(op, path)
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
	looks := slices.IndexFunc(calls, func(s *stopwatch) bool { return s.step == "BeginOperation" }) // so many, with pauses between
	if last := calls[looks-1]; looks > 1 {
		borne := last.start.Sub(told)
		out.path = append(out.path, stretch{state: "what is borne", own: borne, waits: borne})
		told = last.start
	}
	calls = calls[looks-1:]
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
