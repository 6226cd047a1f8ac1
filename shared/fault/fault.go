// Package fault names the ways work can fail, so that programs decide by code and people read the message.
//
// An error gets a code where one is known (an adapter, a rule) and keeps it through any wrapping; everything without one
// is Internal. "Not ready yet" is absent on purpose: it is an answer, not an error.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Code says what a caller may do about an error. Its text is also the error name that state machines catch.
type Code string

const (
	// Invalid work can never succeed as written.
	Invalid Code = "Invalid"
	// NotFound means there is no such cluster, broker, host or operation.
	NotFound Code = "NotFound"
	// Conflict means another operation holds it, or the version moved on; asking again later may succeed.
	Conflict Code = "Conflict"
	// Unsafe work would have put data or availability at risk, and was stopped right before it did.
	Unsafe Code = "Unsafe"
	// Unavailable means an outside system did not answer; the same call may succeed when it is made again.
	Unavailable Code = "Unavailable"
	// Internal is everything without a code: a bug until shown otherwise.
	Internal Code = "Internal"
)

// Codes lists every code, for the contracts between steps and state machines.
func Codes() []Code { return []Code{Invalid, NotFound, Conflict, Unsafe, Unavailable, Internal} }

// Error is an error with a code, a message for people and, for Invalid, the request member that is at fault.
type Error struct {
	Code      Code
	Parameter string // MSK's invalidParameter; empty when no single member is at fault
	// Reason is what the outside system that said no calls it, such as Kafka's TOPIC_ALREADY_EXISTS; empty where nobody did.
	Reason  string
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.cause }

// New makes an error with a code; the format may wrap a cause with %w.
func New(code Code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// InvalidParameter makes an Invalid error that names the request member at fault, as MSK does.
func InvalidParameter(parameter, format string, args ...any) error {
	return &Error{Code: Invalid, Parameter: parameter, Message: fmt.Sprintf(format, args...)}
}

// Refused makes an error of an outside system's no, by the name that this one has for it.
func Refused(code Code, reason, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: reason, Message: err.Error(), cause: errors.Unwrap(err)}
}

// ReasonOf gives the outside system's own name of an error, however deeply it is wrapped; empty when there is none.
func ReasonOf(err error) string {
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Reason
	}
	return ""
}

// CodeOf gives the code an error carries, however deeply it is wrapped. A context that ended counts as Unavailable,
// because the same work may succeed with more time. A nil error has no code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	return Internal
}

// Is tells whether err carries the code.
func Is(err error, code Code) bool { return CodeOf(err) == code }
