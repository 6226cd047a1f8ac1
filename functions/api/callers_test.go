package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/api"
)

const (
	gatewayHost = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	somebody    = "arn:aws:sts::123456789012:assumed-role/platform/ada"
)

// event is a request as API Gateway hands it over by one of its resources, with the identity that its own check found.
func event(resource, method, path, identity string) events.APIRequest {
	e := events.APIRequest{Resource: resource, HTTPMethod: method, Path: path, Headers: map[string]string{"Host": gatewayHost}}
	e.RequestContext.RequestID, e.RequestContext.Stage, e.RequestContext.ResourcePath = "request-1", "v1", resource
	e.RequestContext.Identity.UserArn = identity
	return e
}

// signed signs an event of the open resource as the callers of its host do.
func signed(t *testing.T, e events.APIRequest, id, secret string) events.APIRequest {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), e.HTTPMethod, "https://"+gatewayHost, nil)
	if err != nil {
		t.Fatal(err)
	}
	rq.URL.Opaque = "//" + gatewayHost + "/" + e.RequestContext.Stage + e.Path
	const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	key := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), key, rq, noBody, "kafka", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	e.Headers = map[string]string{"Host": gatewayHost}
	for name := range rq.Header {
		e.Headers[name] = rq.Header.Get(name)
	}
	return e
}

// arrive gives what the API answers to an event.
func (d *frontDesk) arrive(t *testing.T, e events.APIRequest) answer {
	t.Helper()
	response, err := api.New(d.deps).ServeGateway(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: response.StatusCode, Type: http.Header(response.MultiValueHeaders).Get("X-Amzn-Errortype")}
	if err := json.Unmarshal([]byte(response.Body), &a.Body); err != nil {
		t.Fatalf("%s is not JSON: %v", response.Body, err)
	}
	return a
}

func TestIAM_CallersAreAdminsAndNamedInTheLogAndInWhatTheyMake(t *testing.T) {
	text := captureLog(t)
	desk := openFrontDesk(t)
	desk.deps.RootKey = nil // as on AWS: the first caller comes by IAM
	c := desk.end(t, desk.create(t, "orders"), nil)
	escaped := url.QueryEscape(c.ARN) // as the SDKs do

	for _, path := range []string{"/iam/v1/clusters/" + escaped, "/iam/v1/clusters/" + c.ARN, "/iam/millrace/v1/clusters", "/iam/millrace/v1/clusters/" + escaped} {
		if a := desk.arrive(t, event(api.IAMResource, "GET", path, somebody)); a.Status != 200 {
			t.Errorf("%s: %+v", path, a)
		}
	}
	issue := event(api.IAMResource, "POST", "/iam/millrace/v1/keys", somebody)
	issue.Body = `{"role": "read-only"}`
	if a := desk.arrive(t, issue); a.Status != 200 || a.Body["createdBy"] != somebody {
		t.Errorf("issued %+v", a)
	}
	if a := desk.arrive(t, event(api.IAMResource, "DELETE", "/iam/v1/clusters/"+escaped, somebody)); a.Status != 200 {
		t.Errorf("deleted %+v", a)
	}
	if !strings.Contains(text.String(), "caller="+somebody) {
		t.Errorf("the log does not name the caller: %s", text)
	}
}

// Only API Gateway says who calls, and only for the resource whose callers it has authorised.
func TestIAM_NobodyReachesItsTrustByTheOpenResource(t *testing.T) {
	desk := openFrontDesk(t)
	const open = "/{proxy+}"
	for _, path := range []string{
		"/iam/v1/clusters", "/iam/millrace/v1/keys", "/iam%2Fv1/clusters", "/%69am/v1/clusters", "//iam/v1/clusters", "/iam/iam/v1/clusters",
		"/v1/clusters", "/iam", "/iam/",
	} {
		for _, resource := range []string{open, "", "/", "/iam", "/{proxy+}/iam/{proxy+}", "/IAM/{proxy+}"} {
			// An identity that came along by accident, or that a caller managed to have put there.
			e := event(resource, "GET", path, somebody)
			e.Headers["X-Amz-Caller"] = somebody
			if a := desk.arrive(t, e); a.Status != 401 || a.Type != "UnauthorizedException" {
				t.Errorf("unsigned %s by the resource %q: %+v", path, resource, a)
			}
		}
	}
	// With a good signature a path below /iam is still nothing there.
	for _, path := range []string{"/iam/v1/clusters", "/iam%2Fv1%2Fclusters"} {
		a := desk.arrive(t, signed(t, event(open, "GET", path, somebody), accessKey, secretKey))
		if a.Status != 400 || !strings.Contains(a.Body["message"].(string), "not an operation") {
			t.Errorf("signed %s by the open resource: %+v", path, a)
		}
	}
	// And an identity does not stand in for a signature, nor for a role.
	if a := desk.arrive(t, signed(t, event(open, "GET", "/v1/clusters", somebody), accessKey, "guessed")); a.Status != 403 {
		t.Errorf("signed with a wrong secret: %+v", a)
	}
	k := desk.issue(t, "read-only")
	if a := desk.arrive(t, signed(t, event(open, "GET", "/v1/clusters", somebody), k.id, k.secret)); a.Status != 200 {
		t.Errorf("signed with a read-only key: %+v", a)
	}
	if a := desk.arrive(t, signed(t, event(open, "POST", "/v1/clusters", somebody), k.id, k.secret)); a.Status != 403 {
		t.Errorf("signed with a read-only key for more: %+v", a)
	}
	// The local listener has no such door.
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, desk.url+"/iam/v1/clusters", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := receive(t, rq); a.Status != 401 {
		t.Errorf("by the local listener: %+v", a)
	}
}

func TestIAM_ARouteWithoutAnIdentityTrustsNobody(t *testing.T) {
	desk := openFrontDesk(t)
	if a := desk.arrive(t, event(api.IAMResource, "GET", "/iam/v1/clusters", "")); a.Status != 401 {
		t.Errorf("got %+v", a)
	}
	if a := desk.arrive(t, event(api.IAMResource, "GET", "/v1/clusters", somebody)); a.Status != 400 {
		t.Errorf("a path of elsewhere: %+v", a)
	}
}

// IAM decides by the path as it is written, so there must be no second way to write it.
func TestIAM_APathIsNotWrittenSoThatARuleOfIAMMissesIt(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	arn := url.QueryEscape(c.ARN)
	for _, path := range []string{
		"/iam/v1%2Fclusters", "/iam/v1/%63lusters", "/iam/%76%31/clusters", "/iam/millrace/v1/%6Beys", "/iam/millrace/v1/clusters%2F" + arn,
		"/iam/v1/clusters%2F" + arn, "/iam/v1/clusters/" + arn + "%2Fnodes", "/iam/v1/clusters/" + arn + "/%6Eodes",
		"/iam/v1/clusters/" + strings.Replace(arn, "kafka", "%6Bafka", 1), "/iam/v1/clusters/" + strings.ToLower(arn),
		"/iam/v1/clusters/" + url.PathEscape(c.ARN), "/iam/v1/clusters/%", "/iam/v1/clusters/%zz",
	} {
		if a := desk.arrive(t, event(api.IAMResource, "GET", path, somebody)); a.Status != 400 {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if a := desk.arrive(t, event(api.IAMResource, "GET", "/iam/v1/clusters/"+arn+"/nodes", somebody)); a.Status != 200 {
		t.Errorf("as the SDKs write it: %+v", a)
	}
}

// brokenKey is a root key that cannot be looked up.
type brokenKey struct{}

func (brokenKey) Secret(context.Context, string) (string, bool, error) {
	return "", false, context.DeadlineExceeded
}

func TestCallers_AreNotTakenForStrangersWhileKeysCannotBeLookedUp(t *testing.T) {
	captureLog(t)
	desk := openFrontDesk(t)
	desk.deps.RootKey = brokenKey{}
	desk.listen(t)
	if a := desk.send(t, "GET", "/v1/clusters", nil); a.Status != 503 {
		t.Errorf("got %+v", a)
	}
}
