package dynamo

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// codes are what DynamoDB alone says, once trying again has not helped.
var codes = aws.Codes{
	"TransactionConflictException":     fault.Unavailable,
	"TransactionInProgressException":   fault.Unavailable,
	"TransactionCanceledException":     fault.Unavailable, // those whose conditions fail are told apart before
	"RequestLimitExceeded":             fault.Unavailable,
	"ReplicatedWriteConflictException": fault.Unavailable,
}

// Codes of the reasons for which a transaction is cancelled, one for each of its writes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	conditionFailed = "ConditionalCheckFailed"
	invalid         = "ValidationError"
)

// contended are the reasons and errors that say no more than that others wanted the same items at the same moment, or that
// DynamoDB had no capacity for them at the moment. The SDK does not try these again.
var contended = map[string]bool{
	"TransactionConflict":            true,
	"ThrottlingError":                true,
	"ProvisionedThroughputExceeded":  true,
	"TransactionConflictException":   true,
	"TransactionInProgressException": true,
}

// reasons gives the codes for which a transaction was cancelled, in the order of its writes; none for any other error.
func reasons(err error) []string {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil
	}
	found := make([]string, len(cancelled.CancellationReasons))
	for i, reason := range cancelled.CancellationReasons {
		if reason.Code != nil {
			found[i] = *reason.Code
		}
	}
	return found
}

// isPassing tells whether the same write may succeed in a moment and the SDK does not try it again.
func isPassing(err error) bool {
	if contended[aws.Code(err)] || aws.BrokeOff(err) {
		return true
	}
	for _, reason := range reasons(err) {
		if contended[reason] {
			return true
		}
	}
	return false
}
