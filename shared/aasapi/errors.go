package aasapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// Invalid refuses what the caller asked for. Its message is meant for the caller, as that of every exception is.
func Invalid(format string, args ...any) error {
	return &types.ValidationException{Message: message(format, args)}
}

// NotFound says that there is no such target or policy. Clients take it for "it is gone".
func NotFound(format string, args ...any) error {
	return &types.ObjectNotFoundException{Message: message(format, args)}
}

// NoResource is NotFound for the operations on tags, which have an exception of their own.
func NoResource(arn, format string, args ...any) error {
	return &types.ResourceNotFoundException{Message: message(format, args), ResourceName: &arn}
}

func message(format string, args []any) *string {
	text := fmt.Sprintf(format, args...)
	return &text
}

// FromError translates any error into an exception of this API. One of the SDK's own stays what it is; what mskapi and the project's
// faults say follows the same table as there, in this API's words. Everything else is internal and keeps its text to itself.
func FromError(requestID string, err error) smithy.APIError {
	var own smithy.APIError
	if errors.As(err, &own) {
		return own
	}
	var told *mskapi.Error
	if !errors.As(err, &told) && fault.Is(err, fault.Conflict) {
		text := "Somebody else changes the same at this moment. Please try again."
		return &types.ConcurrentUpdateException{Message: &text}
	}
	told = mskapi.FromError(mskapi.Operation{ModelsNotFound: true}, requestID, err)
	switch told.Code {
	case mskapi.CodeUnauthorized:
		return &smithy.GenericAPIError{Code: "UnrecognizedClientException", Message: told.Message, Fault: smithy.FaultClient}
	case mskapi.CodeForbidden:
		return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: told.Message, Fault: smithy.FaultClient}
	case mskapi.CodeNotFound:
		return &types.ObjectNotFoundException{Message: &told.Message}
	case mskapi.CodeServiceUnavailable:
		return &smithy.GenericAPIError{Code: unavailable, Message: told.Message, Fault: smithy.FaultServer}
	case mskapi.CodeInternal:
		return &types.InternalServiceException{Message: &told.Message}
	default: // what the caller has to ask for otherwise
		if told.InvalidParameter == "nextToken" {
			return &types.InvalidNextTokenException{Message: &told.Message}
		}
		return &types.ValidationException{Message: &told.Message}
	}
}

// unavailable is what AWS's services say of themselves when the same request may succeed later.
const unavailable = "ServiceUnavailableException"

// EncodeError writes an exception as clients of this protocol expect it: the type in a header and beside the message. Whatever the
// caller has to change is a 400, whether it be the request or the key.
func EncodeError(requestID string, e smithy.APIError) mskapi.Response {
	body := map[string]string{"__type": e.ErrorCode(), "Message": e.ErrorMessage()}
	var tagged *types.ResourceNotFoundException
	if errors.As(e, &tagged) && tagged.ResourceName != nil {
		body["ResourceName"] = *tagged.ResourceName
	}
	status := http.StatusBadRequest
	switch {
	case e.ErrorCode() == unavailable:
		status = http.StatusServiceUnavailable
	case e.ErrorFault() == smithy.FaultServer:
		status = http.StatusInternalServerError
	}
	text, err := json.Marshal(body)
	if err != nil { // text always encodes
		text = []byte(`{"Message":"The error has no text."}`)
	}
	r := newResponse(status, requestID, text)
	r.Header.Set("X-Amzn-Errortype", e.ErrorCode())
	return r
}
