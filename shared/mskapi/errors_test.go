package mskapi_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// wantType finds the SDK's exception in an error.
func wantType[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a %T", err, e)
	}
	return e
}

func TestErrors_TheSDKSeesTheModelledType(t *testing.T) {
	var answer error
	server := serve(t, func(mskapi.Operation, any) (any, error) { return nil, answer })
	c := client(server.URL)
	ask := func(err error) error {
		answer = err
		_, got := c.CreateReplicator(t.Context(), &kafka.CreateReplicatorInput{
			KafkaClusters: []types.KafkaCluster{}, ReplicationInfoList: []types.ReplicationInfo{},
			ReplicatorName: aws.String("r"), ServiceExecutionRoleArn: aws.String("r"),
		})
		return got
	}
	bad := wantType[*types.BadRequestException](t, ask(mskapi.BadRequest("a.b", "no <%s>", "x")))
	if bad != nil && (aws.ToString(bad.InvalidParameter) != "a.b" || bad.ErrorMessage() != "no <x>") {
		t.Errorf("got %q [%s]", bad.ErrorMessage(), aws.ToString(bad.InvalidParameter))
	}
	wantType[*types.UnauthorizedException](t, ask(mskapi.Unauthorized("x")))
	wantType[*types.ForbiddenException](t, ask(mskapi.Forbidden("x")))
	wantType[*types.NotFoundException](t, ask(mskapi.NotFound("a", "x")))
	wantType[*types.ConflictException](t, ask(mskapi.Conflict("a", "x")))
	wantType[*types.TooManyRequestsException](t, ask(mskapi.NewError(mskapi.CodeTooManyRequests, "", "x")))
	wantType[*types.InternalServerErrorException](t, ask(mskapi.Internal("req-1")))
	wantType[*types.ServiceUnavailableException](t, ask(mskapi.ServiceUnavailable("x")))

	askOfTopics := func(code mskapi.Code) error {
		answer = mskapi.NewError(code, "topicName", "x")
		_, got := c.CreateTopic(t.Context(), &kafka.CreateTopicInput{
			ClusterArn: aws.String("arn"), TopicName: aws.String("orders"), PartitionCount: aws.Int32(1), ReplicationFactor: aws.Int32(1),
		})
		return got
	}
	wantType[*types.TopicExistsException](t, askOfTopics(mskapi.CodeTopicExists))
	wantType[*types.ClusterConnectivityException](t, askOfTopics(mskapi.CodeClusterConnectivity))
	wantType[*types.KafkaTimeoutException](t, askOfTopics(mskapi.CodeKafkaTimeout))
	wantType[*types.UnknownTopicOrPartitionException](t, askOfTopics(mskapi.CodeUnknownTopicOrPartition))
	wantType[*types.ControllerMovedException](t, askOfTopics(mskapi.CodeControllerMoved))
	wantType[*types.NotControllerException](t, askOfTopics(mskapi.CodeNotController))
	wantType[*types.ReassignmentInProgressException](t, askOfTopics(mskapi.CodeReassignmentInProgress))
	wantType[*types.GroupSubscribedToTopicException](t, askOfTopics(mskapi.CodeGroupSubscribedToTopic))
	wantType[*types.KafkaRequestException](t, askOfTopics(mskapi.CodeKafkaRequest))
}

func TestFromError_AnswersByWhatTheOperationModels(t *testing.T) {
	const (
		creates, changes, looks, lists = "CreateTopic", "UpdateTopic", "DescribeTopic", "ListTopics"
		itself                         = mskapi.Code("")
	)
	for _, tt := range []struct {
		code                                 mskapi.Code
		byCreate, byChange, byLook, byListed mskapi.Code
	}{
		{mskapi.CodeNotFound, mskapi.CodeBadRequest, itself, itself, mskapi.CodeBadRequest},
		{mskapi.CodeConflict, itself, mskapi.CodeBadRequest, mskapi.CodeBadRequest, mskapi.CodeBadRequest},
		{mskapi.CodeTopicExists, itself, mskapi.CodeBadRequest, mskapi.CodeBadRequest, mskapi.CodeBadRequest},
		{mskapi.CodeUnknownTopicOrPartition, itself, itself, mskapi.CodeNotFound, mskapi.CodeBadRequest},
		{mskapi.CodeClusterConnectivity, itself, itself, mskapi.CodeServiceUnavailable, mskapi.CodeServiceUnavailable},
		{mskapi.CodeKafkaTimeout, itself, itself, mskapi.CodeServiceUnavailable, mskapi.CodeServiceUnavailable},
		{mskapi.CodeControllerMoved, itself, itself, mskapi.CodeServiceUnavailable, mskapi.CodeServiceUnavailable},
		{mskapi.CodeNotController, itself, itself, mskapi.CodeServiceUnavailable, mskapi.CodeServiceUnavailable},
		{mskapi.CodeReassignmentInProgress, itself, itself, mskapi.CodeBadRequest, mskapi.CodeBadRequest},
		{mskapi.CodeGroupSubscribedToTopic, itself, itself, mskapi.CodeBadRequest, mskapi.CodeBadRequest},
		{mskapi.CodeKafkaRequest, itself, itself, mskapi.CodeBadRequest, mskapi.CodeBadRequest},
		{mskapi.CodeTooManyRequests, itself, itself, itself, itself},
		{mskapi.CodeServiceUnavailable, itself, itself, itself, itself},
	} {
		for name, want := range map[string]mskapi.Code{creates: tt.byCreate, changes: tt.byChange, looks: tt.byLook, lists: tt.byListed} {
			op, _ := mskapi.Lookup(name)
			e := mskapi.FromError(op, "req-1", mskapi.NewError(tt.code, "topicName", "told so"))
			if e.Code != cmp.Or(want, tt.code) || e.Message != "told so" {
				t.Errorf("%s answers %s by %s, want %s", name, tt.code, e.Code, cmp.Or(want, tt.code))
			}
		}
	}
}

func TestErrors_AnUnsignedRequestIsUnauthorizedBeforeAnythingElse(t *testing.T) {
	server := serve(t, func(op mskapi.Operation, _ any) (any, error) { return op.NewOutput(), nil })
	request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/no/such/path", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 401 || response.Header.Get("x-amzn-ErrorType") != "UnauthorizedException" ||
		response.Header.Get("x-amzn-RequestId") == "" {
		t.Errorf("got %d %v", response.StatusCode, response.Header)
	}
}

func TestFromError_TranslatesFaults(t *testing.T) {
	for _, tt := range []struct {
		name, op string
		err      error
		want     mskapi.Code
		status   int
		param    string
		message  string // part of it
	}{
		{"invalid", "CreateCluster", fault.InvalidParameter("clusterName", "too long"), mskapi.CodeBadRequest, 400, "clusterName", "too long"},
		{"invalid, wrapped for the log", "CreateCluster", fmt.Errorf("record 7: %w", fault.New(fault.Invalid, "too long")), mskapi.CodeBadRequest, 400, "", "too long"},
		{"not found", "DescribeCluster", fault.New(fault.NotFound, "no cluster"), mskapi.CodeNotFound, 404, "", "no cluster"},
		{"not found where it is not modelled", "UpdateBrokerCount", fault.New(fault.NotFound, "no cluster"), mskapi.CodeBadRequest, 400, "", "no cluster"},
		{"our own not found where it is not modelled", "GetBootstrapBrokers", mskapi.NotFound("clusterArn", "no cluster"), mskapi.CodeBadRequest, 400, "clusterArn", "no cluster"},
		{"busy", "UpdateBrokerCount", fault.New(fault.Conflict, "busy"), mskapi.CodeBadRequest, 400, "", "busy"},
		{"busy where conflict is modelled", "CreateCluster", fault.New(fault.Conflict, "busy"), mskapi.CodeBadRequest, 400, "", "busy"},
		{"a taken name", "CreateCluster", mskapi.Conflict("clusterName", "taken"), mskapi.CodeConflict, 409, "clusterName", "taken"},
		{"a taken name, wrapped", "CreateCluster", fmt.Errorf("create: %w", mskapi.Conflict("clusterName", "taken")), mskapi.CodeConflict, 409, "clusterName", "taken"},
		{"conflict where it is not modelled", "UpdateBrokerCount", mskapi.Conflict("", "taken"), mskapi.CodeBadRequest, 400, "", "taken"},
		{"unsafe", "RebootBroker", fault.New(fault.Unsafe, "orders-3 would lose"), mskapi.CodeBadRequest, 400, "", "orders-3 would lose"},
		{"unavailable", "CreateCluster", fault.New(fault.Unavailable, "dial tcp 10.0.0.1"), mskapi.CodeServiceUnavailable, 503, "", "try again"},
		{"no code", "CreateCluster", errors.New("pq: secret text"), mskapi.CodeInternal, 500, "", "request req-1"},
		{"internal", "CreateCluster", fault.New(fault.Internal, "secret text"), mskapi.CodeInternal, 500, "", "request req-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op, _ := mskapi.Lookup(tt.op)
			e := mskapi.FromError(op, "req-1", tt.err)
			if e.Code != tt.want || e.HTTPStatus != tt.status || e.InvalidParameter != tt.param || !strings.Contains(e.Message, tt.message) {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(e.Message, "secret") || strings.Contains(e.Message, "10.0.0.1") {
				t.Errorf("the message leaks: %s", e.Message)
			}
		})
	}
}

func TestFromError_KnowsEveryFault(t *testing.T) {
	op, _ := mskapi.Lookup("DescribeCluster")
	for _, code := range fault.Codes() {
		e := mskapi.FromError(op, "req-1", fault.New(code, "x"))
		if (e.Code == mskapi.CodeInternal) != (code == fault.Internal) {
			t.Errorf("%s became %s", code, e.Code)
		}
	}
}
