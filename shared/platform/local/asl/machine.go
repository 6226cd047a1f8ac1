package asl

import "time"

// Machine is a loaded definition, ready to run. It does not change.
type Machine struct {
	Name       string
	definition []byte        // as given to Load; kept with every execution, which ends by the definition it began with
	timeout    time.Duration // of a whole execution; 0: none
	*sequence
}

// sequence is states with a start: a machine, a branch of a Parallel or the processor of a Map. It is also a scope of
// variables.
type sequence struct {
	startAt string
	states  map[string]*state
}

// state is one state of any type; which of the fields are set depends on it.
type state struct {
	name string
	kind kind
	next string // "": the sequence ends here

	inputPath, outputPath dataPath
	parameters            *template // of a Map: the ItemSelector
	resultSelector        *template
	resultPath            resultPath
	assign                *template
	retry                 []*retrier
	catch                 []*catcher

	result             any // Pass
	hasResult          bool
	choices            []*choice  // Choice, with next as its Default
	wait               *wait      // Wait
	errorName, cause   expression // Fail
	task               *task
	branches           []*sequence // Parallel
	processor          *sequence   // Map
	itemsPath          *path
	maxConcurrency     int
	maxConcurrencyPath *path
}

// kind is the Type of a state.
type kind string

const (
	kindPass     kind = "Pass"
	kindTask     kind = "Task"
	kindChoice   kind = "Choice"
	kindWait     kind = "Wait"
	kindSucceed  kind = "Succeed"
	kindFail     kind = "Fail"
	kindParallel kind = "Parallel"
	kindMap      kind = "Map"
)

// retries tells whether states of this kind count their retries ($$.State.RetryCount).
func (k kind) retries() bool { return k == kindTask || k == kindParallel || k == kindMap }

type choice struct {
	when   condition
	next   string
	assign *template
}

type retrier struct {
	names       []string
	interval    time.Duration
	maxAttempts int
	backoff     float64
	maxDelay    time.Duration // 0: none
	jitter      bool          // anything from 0 to the delay
}

type catcher struct {
	names      []string
	next       string
	resultPath resultPath
	assign     *template
}

// wait holds the one of the four forms that was given.
type wait struct {
	seconds       *time.Duration
	secondsPath   *path
	timestamp     *time.Time
	timestampPath *path
}

// task is the work of a Task state.
type task struct {
	resource           string
	timeout, heartbeat time.Duration // 0: none
	timeoutPath        *path
	heartbeatPath      *path
}
