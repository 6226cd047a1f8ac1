package events

// Schedule is the input of the executions that EventBridge Scheduler starts: of the machine operations-sweep, each minute. It
// is empty, because a sweep looks at everything there is.
type Schedule struct{}
