package serve

import "context"

// StayConnected does nothing. Lambda takes a function's way into the network away when nobody has called it for two weeks, so
// somebody calls this step of each function inside a network, each day.
func StayConnected() Step {
	return New(func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
}
