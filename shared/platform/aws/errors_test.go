package aws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// call is an error of a call of EC2, as the SDK gives it.
func call(err error) error {
	return fmt.Errorf("launch: %w", &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: err})
}

// answered is an error that a service has answered with.
func answered(status int, code, message string) error {
	return call(&awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}})
}

func TestFault_SaysWhatACallerMayDo(t *testing.T) {
	codes := aws.Codes{"InvalidInstanceID.NotFound": fault.NotFound, "InsufficientInstanceCapacity": fault.Unavailable}
	for _, tt := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"no error", nil, ""},
		{"a code that the adapter knows", answered(400, "InvalidInstanceID.NotFound", "?"), fault.NotFound},
		{"a fault of the service that the adapter knows", answered(500, "InsufficientInstanceCapacity", "?"), fault.Unavailable},
		{"a code that nobody knows", answered(400, "InvalidParameterValue", "?"), fault.Internal},
		{"throttled", answered(400, "ThrottlingException", "?"), fault.Unavailable},
		{"throttled, in EC2's words", answered(503, "RequestLimitExceeded", "?"), fault.Unavailable},
		{"throttled, in Route 53's words", answered(400, "PriorRequestNotComplete", "?"), fault.Unavailable},
		{"broken", answered(500, "InternalError", "?"), fault.Unavailable},
		{"not there", answered(503, "Unavailable", "?"), fault.Unavailable},
		{"a status that no rule of the SDK knows", answered(507, "Full", "?"), fault.Unavailable},
		{"no connection", call(&smithyhttp.RequestSendError{Err: syscall.ECONNREFUSED}), fault.Unavailable},
		{"a connection that broke off", call(&smithyhttp.RequestSendError{Err: syscall.ECONNRESET}), fault.Unavailable},
		{"an answer that broke off", call(&smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), fault.Unavailable},
		{"too late", call(&smithy.CanceledError{Err: context.DeadlineExceeded}), fault.Unavailable},
		{"ended by the caller", call(&smithy.CanceledError{Err: context.Canceled}), fault.Unavailable},
		{"not allowed", answered(403, "UnauthorizedOperation", "?"), fault.Internal},
		{"not signed", call(errors.New("no credentials")), fault.Internal},
		{"a code of ours", fault.New(fault.Unsafe, "?"), fault.Unsafe},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := codes.Fault(tt.err)
			if fault.CodeOf(got) != tt.want {
				t.Errorf("%q (%v), want %q", fault.CodeOf(got), got, tt.want)
			}
			if !errors.Is(got, tt.err) {
				t.Errorf("%v has lost its cause", got)
			}
		})
	}
}

func TestFault_NamesThePermissionThatIsMissing(t *testing.T) {
	for service, want := range map[string]string{
		"EC2": "ec2:Act", "SFN": "states:Act", "Secrets Manager": "secretsmanager:Act", "Route 53": "route53:Act",
		"DynamoDB": "dynamodb:Act", "KMS": "kms:Act", "EventBridge": "events:Act", "CloudWatch": "cloudwatch:Act",
	} {
		err := aws.Codes{}.Fault(&smithy.OperationError{
			ServiceID: service, OperationName: "Act",
			Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "no policy allows it on resource r"},
		})
		if err == nil || !strings.Contains(err.Error(), want+" is not allowed") || !strings.Contains(err.Error(), "resource r") {
			t.Errorf("%s: %v", service, err)
		}
	}
}
