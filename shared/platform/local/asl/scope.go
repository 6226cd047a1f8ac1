package asl

import "time"

// scope is what expressions of the frame's present state see, with input as $.
func (x *execution) scope(f *frame, input any) scope {
	return scope{
		input:     input,
		context:   func() any { return x.contextObject(f, f.iteration()) },
		variables: f.variable,
		rand:      x.engine.rand,
	}
}

// contextObject is $$.
func (x *execution) contextObject(f *frame, iteration *item) any {
	state := map[string]any{"Name": f.State, "EnteredTime": contextTime(f.Entered)}
	if f.state().kind.retries() {
		state["RetryCount"] = int64(f.Retries)
	}
	object := map[string]any{
		"Execution": map[string]any{
			"Id":           x.info.ARN,
			"Input":        x.input,
			"Name":         x.info.Name,
			"RoleArn":      x.engine.config.RoleARN,
			"StartTime":    contextTime(x.info.Started),
			"RedriveCount": int64(0),
		},
		"StateMachine": map[string]any{"Id": x.engine.machineARN(x.info.Machine), "Name": x.info.Machine},
		"State":        state,
	}
	if iteration != nil {
		object["Map"] = map[string]any{
			"Item": map[string]any{"Index": int64(iteration.Index), "Value": iteration.Value},
		}
	}
	return object
}

func contextTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
