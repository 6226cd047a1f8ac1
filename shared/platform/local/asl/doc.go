// Package asl runs Amazon States Language definitions on one machine, durably: the same bytes that AWS Step Functions
// runs, with the same data flow, errors and retries, in JSONPath with variables. A definition that uses anything else
// (JSONata, distributed maps, task tokens, other services) is refused by name when it is loaded, so that a file can't
// mean one thing here and another on AWS.
//
// How it works, in the order of the files:
//
//   - load*.go turn a definition into a Machine and refuse what is not understood;
//   - path.go, intrinsic*.go, template.go and dataflow.go move data; choice.go compares it;
//   - frame.go is the position of an execution: a tree of frames, one per running sequence of states;
//   - execution.go advances that tree in turns. A turn applies what has happened, goes on through
//     the states that need nothing from outside, journals the new position in one write, and only then lets its
//     effects (invocations, timers) happen. So a process killed at any point goes on from its last journalled position
//     and at worst invokes a task again. Time in which nobody was at work does not count. execution_commit.go is that
//     write: a disk that takes none for a while delays an execution and does not strand it;
//   - state_*.go say what each kind of state does;
//   - engine.go is the API, journal*.go the durable position, clock*.go real and virtual time.
package asl
