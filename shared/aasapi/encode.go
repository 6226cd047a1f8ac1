package aasapi

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/schemas"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/millrace/millrace/shared/mskapi"
)

// Encode writes the output of an operation.
func Encode(op Operation, requestID string, output any) (mskapi.Response, error) {
	value, ok := output.(smithy.Serializable)
	if !ok {
		return mskapi.Response{}, fmt.Errorf("%s answers a %T, which is none of the SDK's types", op.Name, output)
	}
	body, err := Marshal(value)
	if err != nil {
		return mskapi.Response{}, fmt.Errorf("encode the answer of %s: %w", op.Name, err)
	}
	return newResponse(http.StatusOK, requestID, body), nil
}

var (
	protocol = awsjson.New11(schemas.AnyScaleFrontendService)
	// anySchema stands for an operation: all that the protocol asks of one is whether it takes an input.
	anySchema = &smithy.OperationSchema{Schema: schemas.PutScalingPolicy, Input: schemas.PutScalingPolicyRequest}
)

// Marshal writes a value as the SDK itself does, which has this for requests only, so it is written into one: members that are not
// set are left out, and times are seconds since 1970.
func Marshal(v smithy.Serializable) ([]byte, error) {
	request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	if err := protocol.SerializeRequest(context.Background(), anySchema, v, request); err != nil {
		return nil, err
	}
	return io.ReadAll(request.GetStream())
}

func newResponse(status int, requestID string, body []byte) mskapi.Response {
	header := http.Header{}
	header.Set("X-Amzn-Requestid", requestID)
	header.Set("Content-Type", "application/x-amz-json-1.1")
	return mskapi.Response{Status: status, Header: header, Body: body}
}
