package main

import (
	"encoding/json"
	"testing"

	"github.com/millrace/millrace/shared/platform/local/asl"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, tt := range []struct {
		name   string
		values []float64
		p      int
		want   float64
	}{
		{"of nothing is nothing", nil, 99, 0},
		{"of one value is that value", []float64{7}, 99, 7},
		{"the median of an odd number is the one in the middle", []float64{9, 1, 5}, 50, 5},
		{"the median of an even number is between the two in the middle", []float64{4, 1, 2, 9}, 50, 3},
		{"one in a hundred may exceed p99", hundred, 99, 99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := percentile(tt.values, tt.p); got != tt.want {
				t.Errorf("got %g, want %g", got, tt.want)
			}
		})
	}
}

func TestPromise(t *testing.T) {
	p := promise{createTLS, "create", "s", 7, 1.2}
	if _, ok := p.keep(map[string][]float64{tuned: {5}}); ok {
		t.Error("a figure of nothing of ours")
	}
	f, _ := p.keep(map[string][]float64{ours: {8, 6, 10}, tuned: {7, 8}})
	if f.Ours != 8 || f.Min != 6 || f.Max != 10 || f.Tuned != 7.5 {
		t.Errorf("%+v", f)
	}
	if len(f.Targets) != 2 || !f.Targets[0].Reached || f.Targets[1].Reached {
		t.Errorf("8 s is within 1.2 of 7.5 s and above 7 s: %+v", f.Targets)
	}
	if f, _ := p.keep(map[string][]float64{ours: {6}}); len(f.Targets) != 1 || !f.Targets[0].Reached {
		t.Errorf("without anything to compare with, only the seconds count: %+v", f.Targets)
	}
}

func TestTransitions_CountsStatesRepeatsAndTheEnd(t *testing.T) {
	var events [][]byte
	for _, kind := range []string{
		"ExecutionStarted", "TaskStateEntered", "TaskStateFailed", "TaskStateExited", "ChoiceStateEntered", "ChoiceStateExited",
		"ExecutionSucceeded",
	} {
		text, err := json.Marshal(asl.Event{Type: kind})
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, text)
	}
	if got, err := transitionsIn(events); err != nil || got != 4 {
		t.Errorf("%d transitions, %v", got, err)
	}
}
