package asl

import (
	"maps"
	"time"
)

// position is what is journalled of an execution: enough to go on from.
type position struct {
	Execution Execution `json:"execution"`
	Events    int       `json:"events"`         // in the history so far
	Tickets   uint64    `json:"tickets"`        // handed out so far
	Root      *frame    `json:"root,omitempty"` // nil once it ended
	// Left is how much longer the whole execution may take, if its machine sets a limit. It is not a moment, so that an
	// outage takes nothing of it.
	Left time.Duration `json:"left,omitempty"`
}

// frame is a running sequence of states: the machine's own, a branch of a Parallel or an iteration of a Map. The frames
// of the branches are children of the frame that is in the Parallel or Map.
type frame struct {
	State     string         `json:"state,omitempty"`
	Phase     phase          `json:"phase"`
	Entered   time.Time      `json:"entered,omitzero"`
	Input     any            `json:"input,omitempty"`     // of the state, before InputPath
	Variables map[string]any `json:"variables,omitempty"` // of this scope
	Item      *item          `json:"item,omitempty"`      // of an iteration

	Ticket uint64    `json:"ticket,omitempty"` // what is waited for; an answer to another one is too late
	Until  time.Time `json:"until,omitzero"`   // waiting: when it goes on
	// Span counts from when the wait is armed, anew after an outage. Running: what the task may take, 0 for no limit;
	// backoff: the pause.
	Span     time.Duration `json:"span,omitempty"`
	Silent   bool          `json:"silent,omitempty"`   // running: Span is the heartbeat's
	Work     *work         `json:"work,omitempty"`     // running: what was asked for
	Failure  *failure      `json:"failure,omitempty"`  // failed
	Attempts []int         `json:"attempts,omitempty"` // of each retrier, in this state
	Retries  int           `json:"retries,omitempty"`  // of all of them

	Children []*frame `json:"children,omitempty"` // branching
	Limit    int      `json:"limit,omitempty"`    // branching: children at a time; 0: all
	Output   any      `json:"output,omitempty"`   // done

	parent   *frame
	sequence *sequence
	timer    func() // stops the timer, if there is one
	giveUp   func() // tells the task, if there is one, that nobody waits for it any more
}

// item is what an iteration of a Map is about.
type item struct {
	Index int `json:"index"`
	Value any `json:"value"`
}

// phase says what a frame is doing in its state.
type phase string

const (
	queued    phase = "queued"    // an iteration whose turn has not come
	ready     phase = "ready"     // to be stepped
	failed    phase = "failed"    // to be stepped, into its failure
	waiting   phase = "waiting"   // for a moment, in a Wait state
	backoff   phase = "backoff"   // for a moment, before a retry
	running   phase = "running"   // a task was asked for
	branching phase = "branching" // for its children
	done      phase = "done"
	gone      phase = "gone" // given up, with its siblings
)

func (f *frame) state() *state { return f.sequence.states[f.State] }

// restore gives a frame read from the journal its place in the tree and in the definition.
func (f *frame) restore(parent *frame, q *sequence) {
	f.parent, f.sequence = parent, q
	f.Input, f.Output = settleNumbers(f.Input), settleNumbers(f.Output)
	for name, v := range f.Variables {
		f.Variables[name] = settleNumbers(v)
	}
	if f.Item != nil {
		f.Item.Value = settleNumbers(f.Item.Value)
	}
	for i, child := range f.Children {
		child.restore(f, f.state().inner(i))
	}
}

// inner is the sequence that the i-th child of a Parallel or Map runs.
func (s *state) inner(i int) *sequence {
	if s.processor != nil {
		return s.processor
	}
	return s.branches[i]
}

// variable looks a name up in this scope and those around it.
func (f *frame) variable(name string) (any, bool) {
	for ; f != nil; f = f.parent {
		if v, ok := f.Variables[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (f *frame) assign(values map[string]any) {
	if f.Variables == nil {
		f.Variables = map[string]any{}
	}
	maps.Copy(f.Variables, values)
}

// iteration is the item of the innermost Map around the frame; nil outside of any.
func (f *frame) iteration() *item {
	for ; f != nil; f = f.parent {
		if f.Item != nil {
			return f.Item
		}
	}
	return nil
}

// each visits a frame and all below it, parents first.
func (f *frame) each(visit func(*frame)) {
	visit(f)
	for _, child := range f.Children {
		child.each(visit)
	}
}
