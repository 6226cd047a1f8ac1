package iam

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// World answers what a request only refers to: AWS judges by the resources themselves.
type World interface {
	// Tags are those of a resource of EC2 (by id) or of a secret (by name or ARN); empty when it does not exist.
	Tags(id string) map[string]string
	// NetworkInterface tells where an interface is.
	NetworkInterface(id string) (subnet string, groups []string)
	// VPC is the ARN of the VPC that a subnet, a security group or an interface lies in; empty when it does not exist.
	VPC(id string) string
	// LaunchTemplate tells what a launch template brings into a launch: its image, the role of its instance profile.
	LaunchTemplate(id string) (image, role string)
	// KeyOf is the ARN of the customer key that encrypts a volume or a secret; empty when it is AWS's own key. Of "table" it
	// is the key of all tables.
	KeyOf(id string) string
}

// Reader tells what a request needs.
type Reader struct {
	Region, Account string
	World           World
}

// Request is a request to AWS as it goes over the wire.
type Request struct {
	Service string // as in its signature's scope
	Action  string // such as RunInstances
	Key     string // access key id of the caller
	// protocol is how errors have to be told.
	protocol protocol
	body     map[string]any // of protocols in JSON or CBOR
	form     url.Values     // of the query protocol
	path     string
	method   string
	text     string
}

type protocol string

const (
	queryEC2 protocol = "ec2"
	query    protocol = "query"
	jsonRPC  protocol = "json"
	cborRPC  protocol = "cbor"
	restXML  protocol = "rest-xml"
	restJSON protocol = "rest-json"
)

var credential = regexp.MustCompile(`Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request`)

// Parse reads who asks for what. The body has been read already.
func Parse(h *http.Request, body []byte) (Request, error) {
	found := credential.FindStringSubmatch(h.Header.Get("Authorization"))
	if found == nil {
		return Request{}, fmt.Errorf("%s %s is not signed", h.Method, h.URL)
	}
	r := Request{Key: found[1], Service: found[2], path: h.URL.EscapedPath(), method: h.Method, text: string(body)}
	if target := h.Header.Get("X-Amz-Target"); target != "" {
		_, r.Action, _ = strings.Cut(target, ".")
		r.protocol = jsonRPC
		return r, json.Unmarshal(body, &r.body)
	}
	if h.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		r.protocol = cborRPC
		r.Action = r.path[strings.LastIndex(r.path, "/")+1:]
		if h.Header.Get("Content-Encoding") == "gzip" { // CloudWatch's client packs what is long
			packed, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				return r, err
			}
			if body, err = io.ReadAll(packed); err != nil {
				return r, err
			}
		}
		return r, r.decodeCBOR(body)
	}
	switch r.Service {
	case "route53":
		r.protocol = restXML
		r.Action = route53Action(r.method, r.path)
		return r, nil
	case "lambda":
		r.protocol = restJSON
		r.Action = lambdaAction(r.method, r.path)
		return r, nil
	case "xray", "scheduler":
		r.protocol = restJSON
		r.Action = strings.Trim(r.path, "/")
		return r, nil
	}
	var err error
	if r.form, err = url.ParseQuery(string(body)); err != nil {
		return r, err
	}
	r.Action, r.protocol = r.form.Get("Action"), query
	if r.Service == "ec2" {
		r.protocol = queryEC2
	}
	return r, nil
}

func (r *Request) decodeCBOR(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	v, err := cbor.Decode(body)
	if err != nil {
		return err
	}
	r.body, _ = plain(v).(map[string]any)
	return nil
}

// plain makes of CBOR what encoding/json would have made of the same value in JSON, as far as it is looked at.
func plain(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		out := map[string]any{}
		for key, inner := range v {
			out[key] = plain(inner)
		}
		return out
	case cbor.List:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = plain(inner)
		}
		return out
	case cbor.String:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

func (r Request) String() string { return r.Service + ":" + r.Action }

// string gives a member of the body.
func (r Request) string(member string) string { return str(r.body[member]) }

func str(v any) string {
	s, _ := v.(string)
	return s
}

// Checks gives everything that a request needs. A request that is not known here is an error: somebody has begun to use
// something of AWS, and has to say in this package what AWS asks for it.
func (r Reader) Checks(q Request) ([]Check, error) {
	var checks []Check
	var err error
	switch q.Service {
	case "ec2":
		checks, err = r.ec2(q)
	case "dynamodb":
		checks, err = r.dynamodb(q)
	case "secretsmanager":
		checks, err = r.secrets(q)
	case "kms":
		checks, err = r.kms(q)
	case "states":
		checks, err = r.states(q)
	case "events":
		checks, err = r.events(q)
	case "monitoring":
		checks = []Check{{Action: "cloudwatch:" + q.Action, Resource: "*", Keys: map[string][]string{
			"cloudwatch:namespace": nonEmpty(q.string("Namespace"), q.form.Get("Namespace")),
		}}}
	case "route53":
		checks, err = r.route53(q)
	case "lambda":
		checks, err = r.lambda(q)
	case "xray":
		checks = []Check{{Action: "xray:" + q.Action, Resource: "*"}}
	case "sts":
		if q.Action == "GetCallerIdentity" {
			return nil, nil // AWS lets everybody ask that
		}
		err = unknown(q)
	default:
		err = unknown(q)
	}
	return checks, err
}

func unknown(q Request) error {
	return fmt.Errorf("package iam does not know what AWS asks for %s", q)
}

// arn gives the ARN of a resource of this account and region.
func (r Reader) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r.Region, r.Account, resource)
}

func nonEmpty(values ...string) []string {
	var kept []string
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

// through are the uses of a customer key that a service makes in the caller's name.
func (r Reader) through(service, key string, actions ...string) []Check {
	if key == "" {
		return nil
	}
	var checks []Check
	for _, action := range actions {
		keys := map[string][]string{"kms:viaservice": {service + "." + r.Region + ".amazonaws.com"}}
		if action == "kms:CreateGrant" {
			keys["kms:grantisforawsresource"] = []string{"true"}
		}
		checks = append(checks, Check{Action: action, Resource: key, Keys: keys})
	}
	return checks
}
