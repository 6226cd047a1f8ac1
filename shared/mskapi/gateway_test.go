package mskapi_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

// gateway stands between the SDK and the package as an API Gateway REST API does: it turns requests into proxy events
// and answers into responses. It never passes Content-Length on, and strips the stage on its own hosts.
type gateway struct {
	t      *testing.T
	stage  string // the one deployed stage
	custom bool   // reached by a custom domain, where callers write no stage
	base64 bool   // bodies arrive as binary media
	lower  bool   // header names arrive in lower case, as over HTTP/2
	single bool   // only the single-value maps are filled
	handle operationHandler
}

func (g gateway) RoundTrip(h *http.Request) (*http.Response, error) {
	response := g.invoke(g.event(h)).ToGateway()
	return &http.Response{
		StatusCode: response.StatusCode,
		Header:     response.MultiValueHeaders,
		Body:       io.NopCloser(strings.NewReader(response.Body)),
		Request:    h,
	}, nil
}

func (g gateway) invoke(e events.APIGatewayProxyRequest) mskapi.Response {
	r, err := mskapi.FromGateway(e)
	return answer(g.t.Context(), r, err, g.handle)
}

func (g gateway) event(h *http.Request) events.APIGatewayProxyRequest {
	var body []byte
	if h.Body != nil {
		var err error
		if body, err = io.ReadAll(h.Body); err != nil {
			g.t.Error(err)
		}
	}
	path := h.URL.EscapedPath()
	whole := path
	if !g.custom {
		path = strings.TrimPrefix(path, "/"+g.stage)
	}
	headers := map[string][]string{"Host": {h.URL.Host}, "X-Forwarded-For": {"192.0.2.1"}, "X-Amzn-Trace-Id": {"Root=1-2-3"}}
	for name, values := range h.Header {
		if name != "Content-Length" {
			headers[name] = values
		}
	}
	e := events.APIGatewayProxyRequest{
		Resource:                        "/{proxy+}",
		Path:                            path,
		HTTPMethod:                      h.Method,
		MultiValueHeaders:               headers,
		MultiValueQueryStringParameters: h.URL.Query(),
		Body:                            string(body),
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestID: "gateway-request-1", Stage: g.stage, Path: whole, DomainName: h.URL.Host,
		},
	}
	if g.base64 {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	if g.lower {
		e.MultiValueHeaders = map[string][]string{}
		for name, values := range headers {
			e.MultiValueHeaders[strings.ToLower(name)] = values
		}
	}
	if g.single {
		e.Headers, e.QueryStringParameters = firsts(e.MultiValueHeaders), firsts(e.MultiValueQueryStringParameters)
		e.MultiValueHeaders, e.MultiValueQueryStringParameters = nil, nil
	}
	return e
}

func firsts(multi map[string][]string) map[string]string {
	single := map[string]string{}
	for name, values := range multi {
		single[name] = values[0]
	}
	return single
}

func TestGateway_EveryKindOfEventIsVerifiedAndAnswered(t *testing.T) {
	const ownHost = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod"
	const custom = "https://kafka.example.com"
	for _, tt := range []struct {
		name, endpoint string
		gateway        gateway
	}{
		{"its own host", ownHost, gateway{stage: "prod"}},
		{"its own private host", "https://a1b2c3d4e5-vpce-0123.execute-api.eu-west-1.amazonaws.com/prod", gateway{stage: "prod"}},
		{"a custom domain", custom, gateway{stage: "prod", custom: true}},
		{"binary bodies", ownHost, gateway{stage: "prod", base64: true}},
		{"headers in lower case", ownHost, gateway{stage: "prod", lower: true}},
		{"single values only", custom, gateway{stage: "prod", custom: true, single: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var input any
			tt.gateway.t = t
			tt.gateway.handle = func(op mskapi.Operation, in any) (any, error) {
				input = in
				return op.NewOutput(), nil
			}
			c := client(tt.endpoint, func(o *kafka.Options) { o.HTTPClient = &http.Client{Transport: tt.gateway} })

			if _, err := c.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(clusterARN)}); err != nil {
				t.Fatal(err)
			}
			if got := *input.(*kafka.DescribeClusterInput).ClusterArn; got != clusterARN {
				t.Errorf("the ARN arrived as %s", got)
			}
			name := "a+/= b%20&c"
			if _, err := c.ListClusters(t.Context(), &kafka.ListClustersInput{ClusterNameFilter: &name, MaxResults: aws.Int32(7)}); err != nil {
				t.Fatal(err)
			}
			if got := input.(*kafka.ListClustersInput); *got.ClusterNameFilter != name || *got.MaxResults != 7 {
				t.Errorf("the query arrived as %+v", got)
			}
			properties := []byte("auto.create.topics.enable=false\n# ü\xff")
			if _, err := c.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{Name: aws.String("ü<c>"), ServerProperties: properties}); err != nil {
				t.Fatal(err)
			}
			if got := input.(*kafka.CreateConfigurationInput); !bytes.Equal(got.ServerProperties, properties) || *got.Name != "ü<c>" {
				t.Errorf("the body arrived as %+v", got)
			}
			if _, err := c.TagResource(t.Context(), &kafka.TagResourceInput{ResourceArn: aws.String(clusterARN), Tags: map[string]string{"a": "b"}}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestGateway_ErrorsKeepTheirTypeAndRequestID(t *testing.T) {
	g := gateway{t: t, stage: "prod", handle: func(mskapi.Operation, any) (any, error) {
		return nil, mskapi.NotFound("clusterArn", "There is no such cluster.")
	}}
	c := client("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod",
		func(o *kafka.Options) { o.HTTPClient = &http.Client{Transport: g} })
	_, err := c.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: aws.String(clusterARN)})
	notFound := wantType[*types.NotFoundException](t, err)
	if notFound == nil || aws.ToString(notFound.InvalidParameter) != "clusterArn" || !strings.Contains(err.Error(), "gateway-request-1") {
		t.Errorf("got %v", err)
	}
}

func TestGateway_AStageThatWasNotSignedIsRefused(t *testing.T) {
	g := gateway{t: t, stage: "prod", handle: func(op mskapi.Operation, _ any) (any, error) { return op.NewOutput(), nil }}
	c := client("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
		func(o *kafka.Options) { o.HTTPClient = &http.Client{Transport: g} })
	_, err := c.ListClusters(t.Context(), &kafka.ListClustersInput{})
	wantType[*types.ForbiddenException](t, err)
}

func TestGateway_ABodyThatIsNotBase64IsABadRequest(t *testing.T) {
	_, err := mskapi.FromGateway(events.APIGatewayProxyRequest{Body: "%%%", IsBase64Encoded: true})
	wantCode(t, "body", err, mskapi.CodeBadRequest, "")
}
