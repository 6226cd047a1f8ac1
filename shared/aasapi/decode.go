package aasapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
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
	return input, checkRequired(op, input)
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

// validatingClient knows which members of the operations are required.
var validatingClient = applicationautoscaling.New(applicationautoscaling.Options{
	Region: "local", APIOptions: []func(*middleware.Stack) error{mskapi.OnlyValidate},
})

// checkRequired refuses an input that lacks a required member, naming the first one.
func checkRequired(op Operation, input any) error {
	path, missing, err := mskapi.FirstMissing(op.validate(input))
	if err != nil || !missing {
		return err
	}
	return Invalid("The member %s is required.", path)
}
