package aasapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/millrace/millrace/shared/mskapi"
)

// Decode makes the SDK's input of an operation from the body, such as *applicationautoscaling.PutScalingPolicyInput: the names on
// this wire are the SDK's own. Nothing requested is dropped: what the model does not know, has another type, or misses a required
// member is a ValidationException that names the member.
func Decode(op Operation, r mskapi.Request) (any, error) {
	input := op.newInput()
	if len(r.Body) > mskapi.MaxBodyBytes {
		return nil, Invalid("The request body is larger than %d bytes.", mskapi.MaxBodyBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(r.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(input); err != nil {
		return nil, notTaken(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Invalid("The request body has something after its JSON object.")
	}
	return input, required(op.validate(input))
}

// notTaken says what is wrong with a body, in the words of who wrote it.
func notTaken(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return Invalid("The member %s can't be a %s.", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return Invalid("The request body has to be a JSON object.")
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return Invalid("The member %s is not known.", strings.Trim(name, `"`))
	}
	return Invalid("The request body is not valid JSON.")
}

// validatingClient is a client of the SDK that goes no further than its own validators. They know which members are required, at any
// depth, and cannot be called in any other way. It never opens a connection.
var validatingClient = applicationautoscaling.New(applicationautoscaling.Options{
	Region:     "local",
	APIOptions: []func(*middleware.Stack) error{stopAfterValidation},
})

// errValidated ends a call whose input has every required member.
var errValidated = errors.New("the input is valid")

func stopAfterValidation(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("StopAfterValidation",
		func(context.Context, middleware.InitializeInput, middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			return middleware.InitializeOutput{}, middleware.Metadata{}, errValidated
		}), middleware.After)
}

// required turns what a validator says into a refusal that names the first member that is missing.
func required(err error) error {
	var missing smithy.InvalidParamsError
	var first smithy.InvalidParamError
	switch {
	case errors.Is(err, errValidated):
		return nil
	case errors.As(err, &missing) && errors.As(errors.Join(missing.Errs()...), &first):
		_, path, _ := strings.Cut(first.Field(), ".") // without the name of the input
		return Invalid("The member %s is required.", path)
	default:
		return err
	}
}
