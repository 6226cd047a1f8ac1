package aws

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/shared/fault"
)

// Codes are the error codes of a service that an adapter knows, and what they mean here. What every service has in common
// (throttling, faults of the service, lost connections, refused permissions) need not be among them. Each adapter keeps
// its own in a file codes.go.
type Codes map[string]fault.Code

// Fault gives an error of the SDK its code. An error that has one already keeps it, and so does one that nobody knows: that
// is Internal.
func (c Codes) Fault(err error) error {
	if err == nil {
		return nil
	}
	var coded *fault.Error
	if errors.As(err, &coded) {
		return err
	}
	code := Code(err)
	if known, ok := c[code]; ok {
		return fault.New(known, "%w", err)
	}
	if denied[code] {
		return fault.New(fault.Internal, "%s is not allowed: give the role that calls it this permission, and deploy again: %w",
			action(err), err)
	}
	if passes(err) {
		return fault.New(fault.Unavailable, "%w", err)
	}
	return err
}

// Code is the service's own code of an error; empty for an error that is no service's answer.
func Code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// denied are the codes by which services say that the caller's role lacks a permission.
var denied = map[string]bool{
	"AccessDenied":             true,
	"AccessDeniedException":    true,
	"AuthorizationError":       true,
	"KmsAccessDeniedException": true, // Step Functions
	"UnauthorizedOperation":    true, // EC2
}

// action names what a call asked for, as a policy does: "dynamodb:GetItem". AWS's own message names the permission and the
// resource when those differ, as they do for launches with tags.
func action(err error) string {
	var call *smithy.OperationError
	if !errors.As(err, &call) {
		return "the call"
	}
	service, ok := actionPrefixes[call.Service()]
	if !ok {
		service = strings.ToLower(strings.ReplaceAll(call.Service(), " ", ""))
	}
	return service + ":" + call.Operation()
}

// actionPrefixes are what policies call the services whose SDK has another name.
var actionPrefixes = map[string]string{"SFN": "states", "EventBridge": "events"}

// transient are the SDK's own rules of what may succeed when it is tried again.
var transient = retry.IsErrorRetryables(retry.DefaultRetryables)

// passes tells whether the same call may succeed later: the SDK has tried as often as it may, or had no time to.
func passes(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if transient.IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	return BrokeOff(err)
}

// BrokeOff tells whether an answer began and did not come to its end. The SDK does not try again then; a caller whose call
// can be repeated may.
func BrokeOff(err error) bool {
	var garbled *smithy.DeserializationError
	return errors.As(err, &garbled)
}
