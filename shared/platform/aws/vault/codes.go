package vault

import (
	"strings"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// Codes of Secrets Manager that are told apart.
const (
	notThere = "ResourceNotFoundException"
	exists   = "ResourceExistsException"
	// beingDeleted is what Secrets Manager says of a secret that is scheduled for deletion, among other things that don't
	// happen here.
	beingDeleted = "InvalidRequestException"
)

// secretCodes are what Secrets Manager says, and what it means here.
var secretCodes = aws.Codes{
	notThere:               fault.NotFound,
	"InternalServiceError": fault.Unavailable,
	"EncryptionFailure":    fault.Internal,
	"DecryptionFailure":    fault.Internal,
}

// keyCodes are what KMS says. A value that was not sealed by this key under this context, or was changed since, is the
// caller's fault.
var keyCodes = aws.Codes{
	"InvalidCiphertextException": fault.Invalid,
	"IncorrectKeyException":      fault.Invalid,
	"KMSInternalException":       fault.Unavailable,
	"DependencyTimeoutException": fault.Unavailable,
	"KeyUnavailableException":    fault.Unavailable,
}

// isForeign tells whether KMS refuses a sealed value because another key sealed it, or none: it says that access is denied,
// in the same code as to a role without permission, whom alone it tells that it "is not authorized".
func isForeign(err error) bool {
	return aws.Code(err) == "AccessDeniedException" && !strings.Contains(err.Error(), "not authorized")
}
