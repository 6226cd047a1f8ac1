package mskapi

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// validatingClient is a client of the SDK that goes no further than its own validators. They know which members are
// required, at any depth, and cannot be called in any other way. It never opens a connection.
var validatingClient = kafka.New(kafka.Options{
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

// checkRequired refuses an input that lacks a required member, naming the first one by its wire path.
func checkRequired(op Operation, input any) error {
	err := op.validate(input)
	if errors.Is(err, errValidated) {
		return nil
	}
	var missing smithy.InvalidParamsError
	if !errors.As(err, &missing) {
		return err
	}
	var first smithy.InvalidParamError
	if !errors.As(errors.Join(missing.Errs()...), &first) {
		return err
	}
	path := wirePath(first.Field())
	return BadRequest(path, "The member %s is required.", path)
}

// wirePath turns the SDK's CreateClusterInput.BrokerNodeGroupInfo.ClientSubnets into the caller's
// brokerNodeGroupInfo.clientSubnets.
func wirePath(field string) string {
	_, members, _ := strings.Cut(field, ".")
	names := strings.Split(members, ".")
	for i, name := range names {
		names[i] = wireName(name)
	}
	return strings.Join(names, ".")
}
