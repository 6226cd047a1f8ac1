// Package functions calls functions of the control plane that run in Lambda, and waits for their answers. What a function says in
// one of fault's codes comes back as that.
package functions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/millrace/millrace/shared/fault"
)

// Bounds of time.
const (
	// answerWithin is how long a function may take. Whoever asks is behind API Gateway, which waits for 29 seconds.
	answerWithin = 25 * time.Second
	// idleFor is how long a connection is kept that nobody uses. It is short, because a process that was frozen meanwhile can't
	// tell that the other side has closed it.
	idleFor = 20 * time.Second
)

// Functions are the functions of a deployment.
type Functions struct {
	client *lambda.Client
	config Config
}

// Config says which functions are ours.
type Config struct {
	// Prefix is what the names of all functions begin with: the deployment's name and a hyphen.
	Prefix string
}

// New gives the functions of a deployment.
//
// The SDK would ask again where an answer was lost, and have done twice what was asked for. Whoever asks is told instead, and
// knows whether to ask again.
func New(config aws.Config, c Config) Functions {
	client := lambda.NewFromConfig(config, func(o *lambda.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = awshttp.NewBuildableClient().
			WithTimeout(answerWithin).
			WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = idleFor })
	})
	return Functions{client, c}
}

// Call calls a function and waits for its answer. The error is the function's own code, or Unavailable where it could not be run or
// did not come to its end.
func (f Functions) Call(ctx context.Context, function string, payload []byte) ([]byte, error) {
	out, err := f.client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(f.config.Prefix + function), InvocationType: types.InvocationTypeRequestResponse, Payload: payload,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("call %s: %w", function, codes.Fault(err))
	case out.FunctionError != nil:
		return nil, fmt.Errorf("call %s: %w", function, said(out.Payload))
	}
	return out.Payload, nil
}

// said is the error that a function ended with, as Lambda reports it.
func said(report []byte) error {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(report, &e); err != nil {
		return fault.New(fault.Internal, "it failed with %q", report)
	}
	switch {
	case slices.Contains(fault.Codes(), fault.Code(e.Type)):
		return fault.New(fault.Code(e.Type), "%s", e.Message)
	case unfinished[e.Type]:
		return fault.New(fault.Unavailable, "it did not come to its end: %s %s", e.Type, e.Message)
	default:
		return fault.New(fault.Internal, "%s: %s", e.Type, e.Message)
	}
}
