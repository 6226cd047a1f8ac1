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

// codes are what Step Functions says, and what it means here. A machine that is not there or being deleted is a deployment
// under way or one that is not whole: what waits for it is started by the sweep once it is there.
var codes = aws.Codes{
	"ExecutionLimitExceeded": fault.Unavailable,
	"StateMachineDeleting":   fault.Unavailable,
}
