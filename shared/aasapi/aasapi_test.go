package aasapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// Every operation that the SDK's client has is known here, so that each is answered or refused by its name.
func TestOperations_AreThoseOfTheSdk(t *testing.T) {
	client := reflect.TypeFor[*applicationautoscaling.Client]()
	known := aasapi.Operations()
	calls := 0
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 { // receiver, context, input, options
			continue
		}
		calls++
		if _, ok := known[m.Name]; !ok {
			t.Errorf("%s is not known", m.Name)
		}
	}
	if calls != len(known) {
		t.Errorf("%d operations are known, the SDK has %d", len(known), calls)
	}
}

func TestMatch_TakesTheRootAndAPathOfItsOwn(t *testing.T) {
	for _, tt := range []struct{ method, path, target, want string }{
		{"POST", "/", "AnyScaleFrontendService.TagResource", "TagResource"},
		{"POST", "", "AnyScaleFrontendService.TagResource", "TagResource"},
		{"POST", "/application-autoscaling", "AnyScaleFrontendService.TagResource", "TagResource"},
		{"POST", "/application-autoscaling/", "AnyScaleFrontendService.TagResource", "TagResource"},
		{"GET", "/", "AnyScaleFrontendService.TagResource", ""},
		{"POST", "/v1/clusters", "AnyScaleFrontendService.TagResource", ""},
		{"POST", "/", "AnyScaleFrontendService.Tag", ""},
	} {
		r := mskapi.Request{Method: tt.method, Path: tt.path, Header: http.Header{"X-Amz-Target": {tt.target}}}
		op, err := aasapi.Match(r)
		if op.Name != tt.want || (err == nil) != (tt.want != "") || !aasapi.Is(r) {
			t.Errorf("%v is %q, %v", tt, op.Name, err)
		}
	}
	if aasapi.Is(mskapi.Request{Header: http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}}}) {
		t.Error("an operation of another service is taken for one of this")
	}
}

func TestEncode_LeavesOutWhatIsNotSetAndWritesTimesAsSeconds(t *testing.T) {
	r, err := aasapi.Encode(aasapi.Operations()["DescribeScalableTargets"], "request-1", &applicationautoscaling.DescribeScalableTargetsOutput{
		ScalableTargets: []types.ScalableTarget{{
			ResourceId: aws.String("é \"<&>"), MaxCapacity: aws.Int32(500), CreationTime: aws.Time(time.UnixMilli(1_790_000_000_250)),
		}},
	})
	want := `{"ScalableTargets":[{"CreationTime":1790000000.25,"MaxCapacity":500,"ResourceId":"é \"<&>"}]}`
	if err != nil || string(r.Body) != want || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || r.Header.Get("X-Amzn-Requestid") != "request-1" {
		t.Errorf("got %s %v, %v\nwant %s", r.Body, r.Header, err, want)
	}
	if empty, err := aasapi.Encode(aasapi.Operations()["TagResource"], "request-1", &applicationautoscaling.TagResourceOutput{}); err != nil || string(empty.Body) != "{}" {
		t.Errorf("an empty answer is %s, %v", empty.Body, err)
	}
}

func TestErrors_AreInTheWordsOfThisApi(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		want   string
	}{
		{aasapi.Invalid("no %d", 1), 400, `{"Message":"no 1","__type":"ValidationException"}`},
		{aasapi.NotFound("gone"), 400, `{"Message":"gone","__type":"ObjectNotFoundException"}`},
		{aasapi.NoResource("arn:x", "gone"), 400, `{"Message":"gone","ResourceName":"arn:x","__type":"ResourceNotFoundException"}`},
		{fmt.Errorf("on the way: %w", mskapi.BadRequest("tags", "too many")), 400, `{"Message":"too many","__type":"ValidationException"}`},
		{mskapi.BadRequest("nextToken", "no token"), 400, `{"Message":"no token","__type":"InvalidNextTokenException"}`},
		{mskapi.Unauthorized("who?"), 400, `{"Message":"who?","__type":"UnrecognizedClientException"}`},
		{mskapi.Forbidden("no"), 400, `{"Message":"no","__type":"AccessDeniedException"}`},
		{fault.New(fault.Invalid, "no"), 400, `{"Message":"no","__type":"ValidationException"}`},
		{fault.New(fault.Conflict, "contended"), 500, `"ConcurrentUpdateException"`},
		{fault.New(fault.Unavailable, "the table is slow"), 503, `"ServiceUnavailableException"`},
		{errors.New("secret detail"), 500, `"InternalServiceException"`},
	} {
		r := aasapi.EncodeError("request-1", aasapi.FromError("request-1", tt.err))
		if r.Status != tt.status || !strings.Contains(string(r.Body), tt.want) || strings.Contains(string(r.Body), "secret detail") {
			t.Errorf("%v is %d %s, want %d %s", tt.err, r.Status, r.Body, tt.status, tt.want)
		}
		if kind := r.Header.Get("X-Amzn-Errortype"); kind == "" || !strings.Contains(string(r.Body), kind) {
			t.Errorf("%v has the type %q", tt.err, kind)
		}
	}
}
