package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/shared/cluster"
)

// warningHeader carries what people may not expect of a change that MSK's own API has been asked for, once for each.
const warningHeader = "X-Millrace-Warning"

// Answer is what the API of MSK has answered, as it came.
type Answer struct {
	Body json.RawMessage
	// Warnings say what people may not expect of what was done.
	Warnings []string
}

// CreateTopic creates a topic by the API of MSK, as every AWS client does.
func (c Client) CreateTopic(ctx context.Context, arn string, t cluster.TopicSpec) (Answer, error) {
	ask := kafka.CreateTopicInput{
		ClusterArn: aws.String(arn), TopicName: aws.String(t.Name),
		PartitionCount: aws.Int32(int32(t.Partitions)), ReplicationFactor: aws.Int32(int32(t.ReplicationFactor)),
	}
	if len(t.Configs) > 0 {
		configs, err := json.Marshal(t.Configs)
		if err != nil {
			return Answer{}, err
		}
		ask.Configs = aws.String(base64.StdEncoding.EncodeToString(configs))
	}
	return c.byMSK(ctx, func(ctx context.Context, msk *kafka.Client) error {
		_, err := msk.CreateTopic(ctx, &ask)
		return err
	})
}

// DeleteTopic deletes a topic with its records by the API of MSK.
func (c Client) DeleteTopic(ctx context.Context, arn, name string) (Answer, error) {
	return c.byMSK(ctx, func(ctx context.Context, msk *kafka.Client) error {
		_, err := msk.DeleteTopic(ctx, &kafka.DeleteTopicInput{ClusterArn: aws.String(arn), TopicName: aws.String(name)})
		return err
	})
}

// byMSK has AWS's own client make one request, which goes the way of all others.
func (c Client) byMSK(ctx context.Context, do func(context.Context, *kafka.Client) error) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answersOfKafkasWithin)
	defer cancel()
	road := road{route: c.Route}
	err := do(ctx, kafka.New(kafka.Options{
		HTTPClient: &road, Region: c.Region,
		BaseEndpoint: aws.String("http://the.control.plane"), // the road knows where that is
		Credentials:  aws.AnonymousCredentials{},             // and signs
		Retryer:      aws.NopRetryer{},                       // a second try at what has succeeded would be told that it can't be done
	}))
	var said smithy.APIError
	if errors.As(err, &said) && said.ErrorMessage() != "" {
		return Answer{}, &Error{Type: said.ErrorCode(), Message: said.ErrorMessage()}
	}
	return Answer{road.body, road.header.Values(warningHeader)}, err
}

// road carries a request of AWS's client to a control plane, signed as the route is, and keeps what comes back.
type road struct {
	route  Route
	body   []byte
	header http.Header
}

// Do sends a request that nobody has signed.
func (r *road) Do(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	path := request.URL.EscapedPath()
	if query := request.URL.RawQuery; query != "" {
		path += "?" + query
	}
	header := http.Header{} // without what AWS's client says of itself, which would be signed as well
	if kind := request.Header.Get("Content-Type"); kind != "" {
		header.Set("Content-Type", kind)
	}
	response, err := r.route.Do(request.Context(), request.Method, path, header, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	r.header = response.Header
	if r.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(r.body))
	return response, nil
}
