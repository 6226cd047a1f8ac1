package awsrules

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// read finds out what a request calls.
func read(in *http.Request, body []byte) request {
	q := request{
		Call:   Call{Method: in.Method, Path: in.URL.Path, At: time.Now(), Parameters: map[string]any{}},
		header: in.Header, body: body, target: in.URL.RequestURI(),
	}
	q.AccessKeyID, q.Service = signer(in.Header.Get("Authorization"))
	switch target, operation := in.Header.Get("X-Amz-Target"), operationOf(in.URL.Path); {
	case target != "":
		q.Action = target[strings.LastIndexByte(target, '.')+1:]
		_ = json.Unmarshal(body, &q.Parameters) // what is no JSON has no parameters that anybody could check
	case operation != "":
		q.Action, q.cbor = operation, true
	case strings.HasPrefix(in.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		q.form, _ = url.ParseQuery(string(body))
		q.Action = q.form.Get("Action")
		for name := range q.form {
			q.Parameters[name] = q.form.Get(name)
		}
	default:
		q.Action = restAction(in)
	}
	return q
}

// signer gives the access key and the service of a signature: Credential=AKIA…/20260101/eu-west-1/ec2/aws4_request.
func signer(authorization string) (accessKeyID, service string) {
	_, scope, _ := strings.Cut(authorization, "Credential=")
	parts := strings.Split(scope, "/")
	if len(parts) < 4 {
		return "", ""
	}
	return parts[0], parts[3]
}

// operationOf gives the operation of a path of Smithy's RPC protocol: /service/GraniteServiceVersion20100801/operation/PutMetricData.
func operationOf(path string) string {
	if !strings.HasPrefix(path, "/service/") {
		return ""
	}
	_, operation, _ := strings.Cut(path, "/operation/")
	return operation
}

// restAction names the calls of Route 53 that Millrace makes; others are named by their request.
func restAction(in *http.Request) string {
	if strings.HasSuffix(strings.TrimSuffix(in.URL.Path, "/"), "/rrset") {
		if in.Method == http.MethodGet {
			return "ListResourceRecordSets"
		}
		return "ChangeResourceRecordSets"
	}
	if strings.Contains(in.URL.Path, "/change/") {
		return "GetChange"
	}
	return in.Method + " " + in.URL.Path
}
