package mskapi

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/shared/fault"
)

// Code is the name of a modelled exception, as x-amzn-ErrorType carries it.
type Code string

// The exceptions every operation may answer with.
const (
	CodeBadRequest         Code = "BadRequestException"
	CodeUnauthorized       Code = "UnauthorizedException"
	CodeForbidden          Code = "ForbiddenException"
	CodeNotFound           Code = "NotFoundException"
	CodeConflict           Code = "ConflictException"
	CodeTooManyRequests    Code = "TooManyRequestsException"
	CodeInternal           Code = "InternalServerErrorException"
	CodeServiceUnavailable Code = "ServiceUnavailableException"
)

// The exceptions of the topic operations: what the cluster itself answered.
const (
	CodeTopicExists             Code = "TopicExistsException"
	CodeClusterConnectivity     Code = "ClusterConnectivityException"
	CodeKafkaTimeout            Code = "KafkaTimeoutException"
	CodeUnknownTopicOrPartition Code = "UnknownTopicOrPartitionException"
	CodeControllerMoved         Code = "ControllerMovedException"
	CodeNotController           Code = "NotControllerException"
	CodeReassignmentInProgress  Code = "ReassignmentInProgressException"
	CodeGroupSubscribedToTopic  Code = "GroupSubscribedToTopicException"
	CodeKafkaRequest            Code = "KafkaRequestException"
)

var httpStatus = map[Code]int{
	CodeBadRequest:         400,
	CodeUnauthorized:       401,
	CodeForbidden:          403,
	CodeNotFound:           404,
	CodeConflict:           409,
	CodeTooManyRequests:    429,
	CodeInternal:           500,
	CodeServiceUnavailable: 503,

	CodeTopicExists:             409,
	CodeClusterConnectivity:     409,
	CodeKafkaTimeout:            409,
	CodeUnknownTopicOrPartition: 404,
	CodeControllerMoved:         409,
	CodeNotController:           409,
	CodeReassignmentInProgress:  409,
	CodeGroupSubscribedToTopic:  409,
	CodeKafkaRequest:            400,
}

// Error is an answer that says no. Its message is meant for the caller.
type Error struct {
	Code             Code
	HTTPStatus       int
	InvalidParameter string // wire path of the member at fault, such as brokerNodeGroupInfo.clientSubnets; may be empty
	Message          string
}

func (e *Error) Error() string {
	if e.InvalidParameter == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s [%s]", e.Code, e.Message, e.InvalidParameter)
}

// NewError makes an error of any modelled code; its HTTP status follows from the code.
func NewError(code Code, param, format string, args ...any) *Error {
	return &Error{Code: code, HTTPStatus: httpStatus[code], InvalidParameter: param, Message: fmt.Sprintf(format, args...)}
}

// BadRequest refuses what the caller asked for, naming the member at fault if there is a single one.
func BadRequest(param, format string, args ...any) *Error {
	return NewError(CodeBadRequest, param, format, args...)
}

// NotFound says that the named thing does not exist. Operations that do not model it answer BadRequest: see FromError.
func NotFound(param, format string, args ...any) *Error {
	return NewError(CodeNotFound, param, format, args...)
}

// Conflict is for a name that is taken, and only for that: a busy cluster or a stale version is a BadRequest.
func Conflict(param, format string, args ...any) *Error {
	return NewError(CodeConflict, param, format, args...)
}

// Unauthorized says that we do not know who is calling.
func Unauthorized(format string, args ...any) *Error {
	return NewError(CodeUnauthorized, "", format, args...)
}

// Forbidden says that the caller may not do this.
func Forbidden(format string, args ...any) *Error {
	return NewError(CodeForbidden, "", format, args...)
}

// Internal is for bugs. It takes no text, so that none can leak: the log line with the same request id has it.
func Internal(requestID string) *Error {
	return NewError(CodeInternal, "", "Something went wrong on our side. The log has more under request %s.", requestID)
}

// ServiceUnavailable says that the same request may succeed later; every client retries it.
func ServiceUnavailable(format string, args ...any) *Error {
	return NewError(CodeServiceUnavailable, "", format, args...)
}

// FromError translates any error into an answer to op. An *Error stays what it is, unless op does not model it: a client may not
// know it then, so it gets another that says whether to try again. The project's faults follow the table in the style guide;
// everything else is Internal and keeps its text to itself.
func FromError(op Operation, requestID string, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = fromFault(requestID, err)
	}
	return op.modelled(e)
}

// modelled is an answer that op has in its model, and means the same.
func (o Operation) modelled(e *Error) *Error {
	switch e.Code {
	case CodeNotFound:
		if o.ModelsNotFound {
			return e
		}
	case CodeConflict:
		if o.ModelsConflict {
			return e
		}
	case CodeTopicExists:
		if o.ModelsTopicExists {
			return e
		}
	case CodeReassignmentInProgress, CodeGroupSubscribedToTopic, CodeKafkaRequest:
		if o.ModelsKafka {
			return e
		}
	case CodeUnknownTopicOrPartition:
		if o.ModelsKafka {
			return e
		}
		return o.modelled(NotFound(e.InvalidParameter, "%s", e.Message))
	case CodeClusterConnectivity, CodeKafkaTimeout, CodeControllerMoved, CodeNotController:
		if o.ModelsKafka {
			return e
		}
		return ServiceUnavailable("%s", e.Message) // it passes
	default: // what any operation may answer
		return e
	}
	return BadRequest(e.InvalidParameter, "%s", e.Message)
}

func fromFault(requestID string, err error) *Error {
	param, message := "", err.Error()
	var coded *fault.Error
	if errors.As(err, &coded) {
		// The coded error was written for the caller; what was wrapped around it was written for the log.
		param, message = coded.Parameter, coded.Message
	}
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.Conflict, fault.Unsafe:
		return BadRequest(param, "%s", message)
	case fault.NotFound:
		return NotFound(param, "%s", message)
	case fault.Unavailable:
		return ServiceUnavailable("A part of the service did not answer in time. Please try again.")
	case fault.Internal:
		return Internal(requestID)
	default:
		return Internal(requestID)
	}
}

// EncodeError writes an error as clients of MSK expect it: the type in a header, two members in the body.
func EncodeError(requestID string, e *Error) Response {
	body, err := json.Marshal(struct {
		InvalidParameter string `json:"invalidParameter,omitempty"`
		Message          string `json:"message"`
	}{e.InvalidParameter, e.Message})
	if err != nil { // two strings always encode
		body = []byte(`{"message":"The error has no text."}`)
	}
	r := newResponse(e.HTTPStatus, requestID, body)
	r.Header.Set("X-Amzn-Errortype", string(e.Code))
	return r
}
