package eventbus

import (
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// codes are what EventBridge says, of a call or of a single entry, and what it means here.
var codes = aws.Codes{
	"ResourceNotFoundException": fault.NotFound,
	"InternalException":         fault.Unavailable,
	"InternalFailure":           fault.Unavailable, // of an entry
	"ThrottlingException":       fault.Unavailable, // of an entry: the call succeeds, so the SDK does not try again
}
