package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/lambdaruntime"
)

// function is one of the template's.
type function struct {
	name, arn, role string
	binary          string
	timeout         time.Duration
	environment     []string // with credentials of its role
	running         *lambdaruntime.Function
	inside          bool // the VPC, from where it reaches the table and nothing else of AWS's
}

// addFunctions starts every function of the template, as it is configured there. Its credentials are its role's: a pair of
// its own, by which the gate knows it.
func (d *Deployment) addFunctions() error {
	d.functions = map[string]*function{}
	for _, logical := range d.resources.resolver.Template.Names("AWS::Lambda::Function") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		made, err := d.resources.make(logical)
		if err != nil {
			return err
		}
		name := properties(p).text("FunctionName")
		f := &function{name: name, arn: made.attributes["Arn"], role: properties(p).text("Role")}
		f.binary = filepath.Join(d.built, "functions", folderOf(strings.TrimPrefix(name, deploymentName+"-")), "bootstrap")
		seconds, _ := p["Timeout"].(float64)
		f.timeout = time.Duration(seconds) * time.Second
		f.inside = p["VpcConfig"] != nil
		key := d.issueRoleKey(iam.Principal{
			Name: name, Role: f.role, Function: f.arn, UserID: "AROA" + strings.ToUpper(logical) + ":" + name, Policies: d.resources.policies[f.role],
		})
		f.environment = append(f.environment,
			"AWS_ENDPOINT_URL="+d.endpoint, "AWS_REGION="+d.resources.region, "AWS_DEFAULT_REGION="+d.resources.region,
			"AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=session",
			"AWS_XRAY_DAEMON_ADDRESS="+d.traces.address())
		settings, _ := p["Environment"].(map[string]any)
		variables, _ := settings["Variables"].(map[string]any)
		for name, value := range variables {
			if changed, is := d.variables[name]; is {
				value = changed
			}
			f.environment = append(f.environment, fmt.Sprintf("%s=%v", name, value))
		}
		slices.Sort(f.environment)
		d.functions[name] = f
		f.running = d.start(f)
	}
	return nil
}

// folderOf is the folder of functions/ that a function's code is in; its own, but for one that shares another's.
func folderOf(function string) string {
	if function == "hostmetrics" {
		return "hostevents"
	}
	return function
}

func (d *Deployment) start(f *function) *lambdaruntime.Function {
	return lambdaruntime.New(lambdaruntime.Config{
		Binary: f.binary, Environment: f.environment, Name: f.name, Timeout: f.timeout, Output: d.log(f.name),
	})
}

// invoke has a function answer. While as many invocations run as the account may have, it is refused as Lambda does.
func (d *Deployment) invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	d.mu.Lock()
	f := d.functions[name]
	d.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("there is no function %q", name)
	}
	if d.concurrency > 0 {
		if now := d.invocations.Add(1); now > d.concurrency {
			d.invocations.Add(-1)
			d.throttled.Add(1)
			return nil, &lambdaruntime.Error{Type: throttled, Message: "Rate Exceeded."}
		}
		defer d.invocations.Add(-1)
	}
	return f.running.Invoke(ctx, payload)
}

// serveInvocation answers a function that has called Lambda to have another one invoked. That one's error is an answer with a
// mark; only what Lambda itself refuses is an error of the call.
func (d *Deployment) serveInvocation(w http.ResponseWriter, h *http.Request, name string) {
	payload, err := io.ReadAll(h.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := d.invokeTraced(h.Context(), name, payload, h.Header.Get("X-Amzn-Trace-Id"))
	w.Header().Set("Content-Type", "application/json")
	var failed *lambdaruntime.Error
	switch {
	case errors.As(err, &failed) && failed.Type == throttled:
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		answer = []byte(`{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}`)
	case errors.As(err, &failed):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer = []byte(failed.ErrorCause())
	case err != nil:
		w.Header().Set("X-Amzn-ErrorType", "ServiceException")
		w.WriteHeader(http.StatusInternalServerError)
		answer = []byte(`{"message":"the function can't be invoked"}`)
	}
	_, _ = w.Write(answer) // a caller that is gone asks again
}

// invokeInTurn is invoke for Lambda's own pollers and queues, which wait while too many invocations run.
func (d *Deployment) invokeInTurn(name string, payload []byte) ([]byte, error) {
	for {
		answer, err := d.invoke(d.ctx, name, payload)
		var refused *lambdaruntime.Error
		if !errors.As(err, &refused) || refused.Type != throttled || !d.pause(500*time.Millisecond) {
			return answer, err
		}
	}
}

// throttled is what an invocation is refused with while too many run.
const throttled = "Lambda.TooManyRequestsException"
