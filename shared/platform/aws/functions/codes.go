package functions

import (
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// codes are what Lambda says when it can't run a function, and what that means here: that a function which is in the VPC has no
// network interface there yet, or not again, passes. Wrong settings do not, and are Internal, as is a function that does not exist.
var codes = aws.Codes{
	"TooManyRequestsException":                 fault.Unavailable, // with status 429
	"ServiceException":                         fault.Unavailable,
	"ENINotReadyException":                     fault.Unavailable,
	"ResourceNotReadyException":                fault.Unavailable,
	"EC2ThrottledException":                    fault.Unavailable,
	"EC2UnexpectedException":                   fault.Unavailable,
	"ResourceConflictException":                fault.Unavailable, // a deployment is changing it
	"SubnetIPAddressLimitReachedException":     fault.Unavailable,
	"RequestTooLargeException":                 fault.Invalid,
	"SerializedRequestEntityTooLargeException": fault.Invalid,
}

// unfinished are the types of errors that Lambda gives an invocation whose process ended without an answer: it was killed, or ran out
// of time or memory. Lambda also leaves the type out.
var unfinished = map[string]bool{"": true, "Sandbox.Timedout": true, "Runtime.ExitError": true, "Runtime.Unknown": true}
