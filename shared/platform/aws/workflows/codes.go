package workflows

import (
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// Codes of Step Functions that are answers rather than errors.
const (
	alreadyExists = "ExecutionAlreadyExists"
	doesNotExist  = "ExecutionDoesNotExist"
)

// codes are what Step Functions says, and what it means here. A machine that is being deleted is a deployment under way: what
// waits for it is started by the sweep once it is there again. One that is not there at all is a deployment that is not whole,
// which somebody has to look at, so it is Internal.
var codes = aws.Codes{
	"ExecutionLimitExceeded": fault.Unavailable,
	"StateMachineDeleting":   fault.Unavailable,
}
