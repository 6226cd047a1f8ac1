package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// The error names the engine itself gives.
const (
	errAll              = "States.ALL"
	errTaskFailed       = "States.TaskFailed"
	errTimeout          = "States.Timeout"
	errHeartbeatTimeout = "States.HeartbeatTimeout"
	errRuntime          = "States.Runtime"
	errDataLimit        = "States.DataLimitExceeded"
	errIntrinsic        = "States.IntrinsicFailure"
	errResultPath       = "States.ResultPathMatchFailure"
	errNoChoice         = "States.NoChoiceMatched"
	errLambdaUnknown    = "Lambda.Unknown"
)

// failure is an error as a state machine sees it: a name that Retry and Catch match, and a text for people.
type failure struct {
	Name  string `json:"error"`
	Cause string `json:"cause,omitempty"`
}

func (f *failure) Error() string { return f.Name + ": " + f.Cause }

func fail(name, format string, args ...any) *failure {
	return &failure{Name: name, Cause: fmt.Sprintf(format, args...)}
}

// asFailure names an error that came up while a state moved its data: States.Runtime unless it says otherwise.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return fail(errRuntime, "%v", err)
}

// output is what a Catch hands on.
func (f *failure) output() any {
	return map[string]any{"Error": f.Name, "Cause": f.Cause}
}

// matches tells whether a Retry or Catch that lists these names takes the failure. States.Runtime is taken by none,
// not even by its own name, and States.DataLimitExceeded only by its own.
func (f *failure) matches(names []string) bool {
	if f.Name == errRuntime {
		return false
	}
	if slices.Contains(names, f.Name) {
		return true
	}
	timedOut := f.Name == errTimeout || f.Name == errHeartbeatTimeout
	switch {
	case f.Name == errDataLimit:
		return false
	case slices.Contains(names, errAll):
		return true
	case slices.Contains(names, errTaskFailed):
		return !timedOut
	case slices.Contains(names, errTimeout):
		return timedOut
	}
	return false
}

// fromFunction turns the error of an invocation into a failure, as Lambda reports it: the name is the error's type, the
// cause a small JSON document around its text. An error may bring its own cause (ErrorCause), as a function that runs
// behind Lambda's runtime API does.
func fromFunction(err error) *failure {
	f := &failure{Name: errLambdaUnknown}
	var typed interface{ ErrorType() string }
	if errors.As(err, &typed) {
		f.Name = typed.ErrorType()
	}
	var caused interface{ ErrorCause() string }
	if errors.As(err, &caused) {
		f.Cause = caused.ErrorCause()
		return f
	}
	cause, _ := json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": f.Name})
	f.Cause = string(cause)
	return f
}
