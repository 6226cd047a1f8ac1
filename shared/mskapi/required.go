package mskapi

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// validatingClient knows which members of MSK's operations are required.
var validatingClient = kafka.New(kafka.Options{Region: "local", APIOptions: []func(*middleware.Stack) error{OnlyValidate}})

// errValidated ends a call whose input has every required member.
var errValidated = errors.New("the input is valid")

// OnlyValidate is an option of a client of the SDK: its calls go no further than the SDK's own validators, and never open a connection.
// These know which members are required, at any depth, and cannot be called in any other way. [FirstMissing] reads what they find.
func OnlyValidate(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("OnlyValidate",
		func(context.Context, middleware.InitializeInput, middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			return middleware.InitializeOutput{}, middleware.Metadata{}, errValidated
		}), middleware.After)
}

// FirstMissing gives the first required member that the input of a call lacks, by its path in the SDK's names, without the input's own;
// missing is false when it lacks none. said is the error of a call with [OnlyValidate]; one that is about something else is given back.
func FirstMissing(said error) (path string, missing bool, err error) {
	var all smithy.InvalidParamsError
	var first smithy.InvalidParamError
	switch {
	case errors.Is(said, errValidated):
		return "", false, nil
	case errors.As(said, &all) && errors.As(errors.Join(all.Errs()...), &first):
		_, path, _ = strings.Cut(first.Field(), ".")
		return path, true, nil
	default:
		return "", false, said
	}
}

// checkRequired refuses an input that lacks a required member, naming the first one by its wire path.
func checkRequired(op Operation, input any) error {
	path, missing, err := FirstMissing(op.validate(input))
	if err != nil || !missing {
		return err
	}
	path = wirePath(path)
	return BadRequest(path, "The member %s is required.", path)
}

// wirePath turns the SDK's BrokerNodeGroupInfo.ClientSubnets into the caller's brokerNodeGroupInfo.clientSubnets.
func wirePath(members string) string {
	names := strings.Split(members, ".")
	for i, name := range names {
		names[i] = wireName(name)
	}
	return strings.Join(names, ".")
}
