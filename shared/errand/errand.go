// Package errand is what functions/api has functions/topicadmin do, which is inside the VPC and can talk to Kafka: what is asked,
// what is answered, and how a no gets back in the words of whoever said it.
package errand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
)

// Function is the one that runs errands.
const Function = "topicadmin"

// Reasons that errands have for a no, beside those that Kafka gives.
const (
	// NoAccess is the reason of an Unavailable error that says that the control plane's access to a cluster's brokers has ended, and
	// is being renewed.
	NoAccess = "NO_ACCESS"
	// TimedOut is the reason of an Unavailable error that says that brokers did not answer in time. What was asked for may still have
	// been done. Kafka has the same name for it.
	TimedOut = "REQUEST_TIMED_OUT"
	// NoTopic is the reason of a NotFound error, by Kafka's name: there is no topic of that name.
	NoTopic = "UNKNOWN_TOPIC_OR_PARTITION"
)

// Caller calls a function of the control plane and waits for its answer.
type Caller interface {
	Call(ctx context.Context, function string, payload []byte) (answer []byte, err error)
}

// Run has an errand done, which is named as the step that does it. A no comes back as the *fault.Error that it was.
func Run[Answer any](ctx context.Context, c Caller, name string, in any) (Answer, error) {
	var none Answer
	payload, err := payloadOf(name, in)
	if err != nil {
		return none, fmt.Errorf("ask for %s: %w", name, err)
	}
	answer, err := c.Call(ctx, Function, payload)
	if err != nil {
		return none, fmt.Errorf("%s: %w", name, err)
	}
	var r reply[Answer]
	if err := json.Unmarshal(answer, &r); err != nil {
		return none, fmt.Errorf("decode the answer to %s: %w", name, err)
	}
	if r.No != nil {
		return none, r.No.error()
	}
	return r.Answer, nil
}

// payloadOf adds the name of the step to the members of an input.
func payloadOf(name string, in any) ([]byte, error) {
	members := map[string]json.RawMessage{}
	encoded, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(encoded, &members)
	}
	if err != nil {
		return nil, err
	}
	if members["step"], err = json.Marshal(name); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// within is how long an errand may take. Somebody waits for it behind API Gateway, who gets no answer after 29 seconds.
const within = 22 * time.Second

// Serve makes a step of what does an errand. A no is an answer: only bugs and crashes are errors of the function. An errand that
// takes longer than 22 seconds ends, with the reason TimedOut.
func Serve[In, Answer any](do func(context.Context, In) (Answer, error)) serve.Step {
	return serve.New(func(ctx context.Context, in In) (reply[Answer], error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		answer, err := do(ctx, in)
		var said *fault.Error
		switch {
		case err == nil:
			return reply[Answer]{Answer: answer}, nil
		case errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.Is(err, fault.Unavailable) && fault.ReasonOf(err) == "":
			return reply[Answer]{No: &no{Code: fault.Unavailable, Reason: TimedOut, Message: err.Error()}}, nil
		case errors.As(err, &said) && said.Code != fault.Internal:
			return reply[Answer]{No: &no{said.Code, said.Reason, said.Parameter, said.Message}}, nil
		case fault.CodeOf(err) == fault.Unavailable:
			return reply[Answer]{No: &no{Code: fault.Unavailable, Message: err.Error()}}, nil
		default:
			return reply[Answer]{}, err
		}
	})
}

// reply is how an errand ended: with an answer or with a no.
type reply[Answer any] struct {
	Answer Answer `json:"answer"`
	No     *no    `json:"no,omitempty"`
}

type no struct {
	Code      fault.Code `json:"code"`
	Reason    string     `json:"reason,omitempty"`
	Parameter string     `json:"parameter,omitempty"`
	Message   string     `json:"message"`
}

func (n no) error() error {
	return &fault.Error{Code: n.Code, Reason: n.Reason, Parameter: n.Parameter, Message: n.Message}
}
