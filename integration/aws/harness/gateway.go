package harness

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/shared/mskapi"
)

// gateway stands for API Gateway: it serves the template's REST API under its own host name, as the proxy that clients go
// through for every name.
type gateway struct {
	d     *Deployment
	id    string // of the REST API
	stage string
	// routes are the resources with methods, the longest way first.
	routes []route
	// identities are the users of IAM that may call, by their access keys.
	identities map[string]identity
}

// route is one method of a resource of the REST API: of a way that ends in {proxy+}, or of the root.
type route struct {
	method        string // ANY for all
	path          string // as in /iam/{proxy+}
	authorization string
	function      string
}

// identity is a user of IAM.
type identity struct {
	arn, secret string
	principal   iam.Principal
}

// host is the name by which clients know the API.
func (g *gateway) host() string {
	return g.id + ".execute-api." + g.d.resources.region + ".amazonaws.com"
}

// addGateway reads the REST API from the template.
func (d *Deployment) addGateway() error {
	g := &gateway{d: d, identities: map[string]identity{}}
	t := d.resources.resolver.Template
	for _, logical := range t.Names("AWS::ApiGateway::RestApi") {
		made, err := d.resources.make(logical)
		if err != nil {
			return err
		}
		g.id = made.ref
	}
	for _, logical := range t.Names("AWS::ApiGateway::Stage") {
		made, err := d.resources.make(logical)
		if err != nil {
			return err
		}
		g.stage = made.ref
	}
	for _, logical := range t.Names("AWS::ApiGateway::Method") {
		p := properties(t.Resources[logical].Properties)
		reference, _ := p["ResourceId"].(map[string]any)
		path := "/"
		if resource, below := reference["Ref"].(string); below { // the root is an attribute of the API
			var err error
			if path, err = g.pathOf(resource); err != nil {
				return err
			}
		}
		integration, _ := p["Integration"].(map[string]any)
		uri, err := d.resources.resolver.Text(integration["Uri"])
		if err != nil {
			return err
		}
		_, arn, _ := strings.Cut(strings.TrimSuffix(uri, "/invocations"), "/functions/")
		function, _ := functionOf(arn)
		r := route{p.text("HttpMethod"), path, p.text("AuthorizationType"), function}
		method := r.method
		if method == "ANY" {
			method = "GET"
		}
		source := fmt.Sprintf("%s:%s/%s/%s%s", d.resources.arn("execute-api", "")[:len(d.resources.arn("execute-api", ""))-1], g.id, g.stage,
			method, strings.ReplaceAll(path, "{proxy+}", "v1/clusters"))
		if err := d.mayInvoke("apigateway.amazonaws.com", function, source); err != nil {
			return err
		}
		g.routes = append(g.routes, r)
	}
	d.gateway = g
	return nil
}

// pathOf puts a resource's path together, from its parents.
func (g *gateway) pathOf(logical string) (string, error) {
	declared, is := g.d.resources.resolver.Template.Resources[logical]
	if !is || declared.Type != "AWS::ApiGateway::Resource" {
		return "", fmt.Errorf("%s is no resource of an API", logical)
	}
	path := "/" + properties(declared.Properties).text("PathPart")
	parent, _ := declared.Properties["ParentId"].(map[string]any)
	above, nested := parent["Ref"].(string)
	if !nested { // its parent is the root, which is an attribute of the API
		return path, nil
	}
	before, err := g.pathOf(above)
	return before + path, err
}

// find gives the most particular resource for a request. What is greedy takes one character at least.
func (g *gateway) find(method, path string) (route, bool) {
	best := route{}
	for _, r := range g.routes {
		before, greedy := strings.CutSuffix(r.path, "{proxy+}")
		matches := path == r.path
		if greedy {
			matches = strings.HasPrefix(path, before) && len(path) > len(before)
		}
		if matches && (r.method == "ANY" || r.method == method) && len(r.path) > len(best.path) {
			best = r
		}
	}
	return best, best.path != ""
}

// ServeHTTP answers one call: it finds the resource, lets IAM judge where that is wanted, and has the function answer.
func (g *gateway) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	if h.Host != g.host() {
		http.Error(w, "there is no "+h.Host+" here", http.StatusBadGateway)
		return
	}
	whole := h.URL.EscapedPath()
	path, staged := strings.CutPrefix(whole, "/"+g.stage)
	if path == "" {
		path = "/"
	}
	r, found := g.find(h.Method, path)
	if !staged || !found {
		tellGateway(w, http.StatusForbidden, "Missing Authentication Token")
		return
	}
	body, err := io.ReadAll(h.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := g.event(h, r, path, whole, body)
	if r.authorization == "AWS_IAM" {
		user, refusal := g.authorize(h, body, path)
		if refusal != "" {
			tellGateway(w, http.StatusForbidden, refusal)
			return
		}
		e.RequestContext.Identity.UserArn, e.RequestContext.Identity.Caller = user.arn, user.principal.UserID
		e.RequestContext.Identity.AccountID = g.d.resources.account
	}
	g.answer(w, h, r, e)
}

// event is a request as API Gateway hands it to a function. A path keeps its escapes, and loses the stage.
func (g *gateway) event(h *http.Request, r route, path, whole string, body []byte) events.APIRequest {
	e := events.APIRequest{
		Resource: r.path, Path: path, HTTPMethod: h.Method, Body: string(body),
		Headers: map[string]string{}, MultiValueHeaders: map[string][]string{},
		QueryStringParameters: map[string]string{}, MultiValueQueryStringParameters: h.URL.Query(),
		PathParameters: map[string]string{"proxy": strings.TrimPrefix(path, strings.TrimSuffix(r.path, "{proxy+}"))},
	}
	for name, values := range h.Header {
		switch name {
		case "Content-Length", "Proxy-Connection", "Connection", "Accept-Encoding":
			continue // these end at API Gateway
		}
		e.Headers[name], e.MultiValueHeaders[name] = values[len(values)-1], values
	}
	e.Headers["Host"], e.MultiValueHeaders["Host"] = h.Host, []string{h.Host}
	for name, values := range e.MultiValueQueryStringParameters {
		e.QueryStringParameters[name] = values[len(values)-1]
	}
	trace := newTrace()
	e.Headers["X-Amzn-Trace-Id"], e.MultiValueHeaders["X-Amzn-Trace-Id"] = trace, []string{trace}
	e.RequestContext.RequestID, e.RequestContext.Stage, e.RequestContext.APIID = uuid.NewString(), g.stage, g.id
	e.RequestContext.ResourcePath, e.RequestContext.Path, e.RequestContext.HTTPMethod = r.path, whole, h.Method
	e.RequestContext.DomainName, e.RequestContext.AccountID = h.Host, g.d.resources.account
	e.RequestContext.Identity.SourceIP = "127.0.0.1"
	return e
}

// newTrace begins a trace that is sampled, as a stage with tracing does.
func newTrace() string {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=1", time.Now().Unix(), id[:24], id[16:])
}

// answer has the function answer, and gives that on. What a function may not answer is a bad gateway.
func (g *gateway) answer(w http.ResponseWriter, h *http.Request, r route, e events.APIRequest) {
	payload, err := json.Marshal(e)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	said, err := g.d.invokeTraced(h.Context(), r.function, payload, e.Headers["X-Amzn-Trace-Id"])
	var out events.APIResponse
	if err == nil {
		err = json.Unmarshal(said, &out)
	}
	if err != nil {
		g.d.note("api: %v", err)
		tellGateway(w, http.StatusBadGateway, "Internal server error")
		return
	}
	for name, values := range out.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	for name, value := range out.Headers {
		if w.Header().Get(name) == "" {
			w.Header().Set(name, value)
		}
	}
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			tellGateway(w, http.StatusBadGateway, "Internal server error")
			return
		}
	}
	w.WriteHeader(out.StatusCode)
	_, _ = w.Write(body) // a client that is gone asks again
}

func tellGateway(w http.ResponseWriter, status int, message string) {
	content, _ := json.Marshal(map[string]string{"message": message})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(content) // as above
}

// Secret finds the secret of one of IAM's users, for the verifier.
func (g *gateway) Secret(_ context.Context, id string) (secret string, found bool, err error) {
	user, known := g.user(id)
	return user.secret, known, nil
}

func (g *gateway) user(id string) (identity, bool) {
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	user, known := g.identities[id]
	return user, known
}

// authorize does what API Gateway does for AWS_IAM: the signature is checked, for execute-api, and IAM judges by method and path.
func (g *gateway) authorize(h *http.Request, body []byte, path string) (identity, string) {
	verifier := mskapi.Verifier{
		Secrets: g, Region: g.d.resources.region, Services: []string{"execute-api"}, Now: time.Now,
	}
	id, err := verifier.Verify(h.Context(), mskapi.Request{
		Method: h.Method, Path: h.URL.EscapedPath(), SignedPath: h.URL.EscapedPath(), Query: h.URL.Query(), Header: h.Header, Body: body, Host: h.Host,
	})
	if err != nil {
		return identity{}, err.Error()
	}
	user, _ := g.user(id) // the verifier has found it
	resource := g.d.resources.arn("execute-api", g.id+"/"+g.stage+"/"+h.Method+path)
	if allowed, err := user.principal.Allows(iam.Check{Action: "execute-api:Invoke", Resource: resource}); !allowed || err != nil {
		return identity{}, "User: " + user.arn + " is not authorized to perform: execute-api:Invoke on resource: " + resource
	}
	return user, ""
}
