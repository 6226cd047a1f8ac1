package events

// Schedule is the input of the executions that EventBridge Scheduler starts: of the machines operations-sweep and health-sweep,
// each minute. It is empty, because a sweep looks at everything there is.
type Schedule struct{}

// StayConnected is what the scheduler calls functions/brokerreplacement with each day, so that Lambda leaves it its way into the
// network (stay_connected.json).
type StayConnected struct {
	Step string `json:"step"`
}
