package aasapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/shared/mskapi"
)

// SigningName is the service that clients of this API sign for.
const SigningName = "application-autoscaling"

// Path is the path of all requests, beside the "/" that the SDKs send: one that is not the root of a front door.
const Path = "/application-autoscaling"

const (
	targetHeader = "X-Amz-Target"
	targetPrefix = "AnyScaleFrontendService."
)

// Is tells whether a request is meant for this API. All of its operations have one path, so a header says which is meant.
func Is(r mskapi.Request) bool { return strings.HasPrefix(r.Header.Get(targetHeader), targetPrefix) }

// Operation is one operation of the API.
type Operation struct {
	Name     string
	newInput func() any
	validate func(input any) error
}

// Operations gives every operation of the model, by name.
func Operations() map[string]Operation {
	all := make(map[string]Operation, len(operations))
	for _, op := range operations {
		all[op.Name] = op
	}
	return all
}

var (
	operations = []Operation{
		operation("DeleteScalingPolicy", (*applicationautoscaling.Client).DeleteScalingPolicy),
		operation("DeleteScheduledAction", (*applicationautoscaling.Client).DeleteScheduledAction),
		operation("DeregisterScalableTarget", (*applicationautoscaling.Client).DeregisterScalableTarget),
		operation("DescribeScalableTargets", (*applicationautoscaling.Client).DescribeScalableTargets),
		operation("DescribeScalingActivities", (*applicationautoscaling.Client).DescribeScalingActivities),
		operation("DescribeScalingPolicies", (*applicationautoscaling.Client).DescribeScalingPolicies),
		operation("DescribeScheduledActions", (*applicationautoscaling.Client).DescribeScheduledActions),
		operation("GetPredictiveScalingForecast", (*applicationautoscaling.Client).GetPredictiveScalingForecast),
		operation("ListTagsForResource", (*applicationautoscaling.Client).ListTagsForResource),
		operation("PutScalingPolicy", (*applicationautoscaling.Client).PutScalingPolicy),
		operation("PutScheduledAction", (*applicationautoscaling.Client).PutScheduledAction),
		operation("RegisterScalableTarget", (*applicationautoscaling.Client).RegisterScalableTarget),
		operation("TagResource", (*applicationautoscaling.Client).TagResource),
		operation("UntagResource", (*applicationautoscaling.Client).UntagResource),
	}
	byName = Operations()
)

// call is the shape of every method of the SDK's client.
type call[In, Out any] func(*applicationautoscaling.Client, context.Context, *In, ...func(*applicationautoscaling.Options)) (*Out, error)

func operation[In, Out any](name string, c call[In, Out]) Operation {
	return Operation{
		Name:     name,
		newInput: func() any { return new(In) },
		validate: func(input any) error {
			_, err := c(validatingClient, context.Background(), input.(*In))
			return err
		},
	}
}

// Match finds the operation that a request of this API means. Another path or method is a ValidationException.
func Match(r mskapi.Request) (Operation, error) {
	if r.Method != http.MethodPost || strings.TrimSuffix(r.Path, "/") != "" && strings.TrimSuffix(r.Path, "/") != Path {
		return Operation{}, Invalid("Operations of Application Auto Scaling are asked for by POST /, not by %s %s.", r.Method, r.Path)
	}
	name := strings.TrimPrefix(r.Header.Get(targetHeader), targetPrefix)
	op, known := byName[name]
	if !known {
		return Operation{}, &smithy.GenericAPIError{
			Code: "UnknownOperationException", Message: "Application Auto Scaling has no operation " + name + ".", Fault: smithy.FaultClient,
		}
	}
	return op, nil
}
