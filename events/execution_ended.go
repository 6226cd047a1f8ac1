package events

// ExecutionEnded is what functions/operations is called with when an execution of one of our machines ends FAILED, TIMED_OUT
// or ABORTED. It is always the same call of a step: EventBridge's rule hands over this instead of the event ("Step Functions
// Execution Status Change"), which may come late, twice or never. The sweep looks for itself, and ends what such an execution
// has left: its own time-out, an abort and States.Runtime pass every Catch by.
type ExecutionEnded struct {
	Step string `json:"step"`
}
