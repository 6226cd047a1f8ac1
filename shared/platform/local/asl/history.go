package asl

import (
	"encoding/json"
	"time"
)

// Event is one entry of an execution's history. Types are named as Step Functions names them: ExecutionStarted,
// <Kind>StateEntered, <Kind>StateExited, ExecutionSucceeded, …; an attempt that failed is a <Kind>StateFailed.
type Event struct {
	ID     int             `json:"id"` // from 1
	Time   time.Time       `json:"time"`
	Type   string          `json:"type"`
	State  string          `json:"state,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	// Assigned are the variables that a state set when it was exited.
	Assigned json.RawMessage `json:"assigned,omitempty"`
	Error    string          `json:"error,omitempty"`
	Cause    string          `json:"cause,omitempty"`
	// Definition is what the execution runs, to its end, whatever is deployed meanwhile; set in ExecutionStarted.
	Definition json.RawMessage `json:"definition,omitempty"`
}

// Transition is what OnTransition sees: an execution entered or exited a state.
type Transition struct {
	Execution string // ARN
	Machine   string
	State     string
	Phase     string // "entered" or "exited"
	Number    int    // of the event in the execution's history
	Journaled bool   // false right before it is journalled, true right after
}

const (
	entered = "entered"
	exited  = "exited"
)

// historyLimit is Step Functions' own: a machine that loops without end is stopped by it.
const historyLimit = 25_000
