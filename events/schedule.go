package events

// Schedule is the input of the executions that EventBridge Scheduler starts: of the machines operations-sweep and health-sweep,
// each minute, and of topics-sweep, every ten minutes. It is empty, because a sweep looks at everything there is.
type Schedule struct{}

// StayConnected is what the scheduler calls functions/brokerreplacement and functions/topicadmin with each day, so that Lambda
// leaves them their way into the network (stay_connected.json).
type StayConnected struct {
	Step string `json:"step"`
}
