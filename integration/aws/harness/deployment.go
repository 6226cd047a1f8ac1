package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/integration/lambdaruntime"
	"github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// Deployment is Millrace as it is deployed to an account of its own.
type Deployment struct {
	t     testing.TB
	ctx   context.Context //nolint:containedctx // the deployment's life, which its parts share
	dir   string          // of hosts, volumes and logs
	built string          // of programs

	account   awstest.AWS
	rules     *awsrules.Rules
	resources *resources
	gate      *iam.Gate
	entrance  *httptest.Server
	endpoint  string // of AWS, as functions and hosts see it
	variables map[string]string
	pending   time.Duration // of instances

	functions map[string]*function
	workflows *workflows
	gateway   *gateway
	front     *front
	traces    *traces
	names     *names
	hosts     *hosts

	rulesHear []rule
	deaf      bool // to what EC2 says of instances

	background sync.WaitGroup
	startsFail atomic.Bool // Step Functions starts nothing at the moment

	concurrency            int64 // how many invocations may run at once; 0 is no limit
	invocations, throttled atomic.Int64

	mu         sync.Mutex
	principals map[string]iam.Principal // by access key
	keys       map[string]string        // of functions, by name
	expected   []func(iam.Refusal) bool
	complaints []string
}

// Option changes a deployment.
type Option func(*Deployment)

// Variable changes a variable of the functions' environments.
func Variable(name, value string) Option {
	return func(d *Deployment) { d.variables[name] = value }
}

// Concurrency is how many invocations of functions the account may have at once. A new account of AWS has 10.
func Concurrency(n int) Option {
	return func(d *Deployment) { d.concurrency = int64(n) }
}

// SlowHosts is how long instances take to start, instead of a second.
func SlowHosts(pending time.Duration) Option {
	return func(d *Deployment) { d.pending = pending }
}

// WithoutInstanceEvents loses what EC2 tells of instances: it is told on a best-effort basis.
func WithoutInstanceEvents() Option {
	return func(d *Deployment) { d.deaf = true }
}

// Start deploys Millrace, until the test is over. Tests with deployments are skipped in short mode.
//
//  1. Build the programs and synthesise the template, once for all tests.
//  2. An account of moto's, the rules before it, and the gate before these.
//  3. What the template describes: functions, machines, what triggers them, the API.
//  4. What is AWS's own business: names, hosts for instances, the stream.
func Start(t testing.TB, options ...Option) *Deployment {
	t.Helper()
	if testing.Short() {
		t.Skip("runs whole deployments")
	}
	d := &Deployment{
		t: t, dir: t.TempDir(), pending: time.Second,
		variables: map[string]string{}, principals: map[string]iam.Principal{}, keys: map[string]string{},
	}
	for _, o := range options {
		o(d)
	}
	kafkatest.Installed(t, kafkaversion.Default().Release) // the image of hosts has it
	dir, deployed := build(t)
	d.built = dir
	d.account = awstest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	d.ctx = ctx
	d.resources = newResources(ctx, deployed, d.account.Config, d.account.Account)
	d.rules = awsrules.Start(t, d.account, awsrules.Config{
		PendingFor: d.pending, ShuttingDownFor: time.Second, UnseenFor: 1,
		ModifyingFor: time.Second, ChangesAgainAfter: 6 * time.Hour, DetachingFor: time.Second,
	})
	t.Cleanup(func() { d.end(cancel) })
	for _, part := range []struct {
		what string
		add  func() error
	}{
		{"AWS", d.addAWS},
		{"functions", d.addFunctions},
		{"state machines", d.addWorkflows},
		{"API Gateway", d.addGateway},
		{"front", d.addFront},
		{"schedules", d.addSchedules},
		{"rules", d.addRules},
		{"hosts", d.addHosts},
		{"streams", d.addStreams},
	} {
		if err := part.add(); err != nil {
			t.Fatalf("%s: %v", part.what, err)
		}
	}
	return d
}

// addAWS puts everything before moto that AWS does and moto does not.
func (d *Deployment) addAWS() error {
	var err error
	if d.traces, err = startTraces(); err != nil {
		return err
	}
	if err := d.resources.makeAll(); err != nil {
		return err
	}
	key, err := d.one("AWS::KMS::Key")
	if err != nil {
		return err
	}
	d.gate = &iam.Gate{
		Reader: iam.Reader{
			Region: d.resources.region, Account: d.resources.account, World: world{d.resources, key.attributes["Arn"]},
		},
		Caller: d.caller,
		Next:   http.HandlerFunc(d.forward),
	}
	d.entrance = httptest.NewServer(d.gate)
	d.endpoint = d.entrance.URL
	return nil
}

func (d *Deployment) addFront() (err error) {
	d.front, err = startFront(d.gateway.host(), d.gateway)
	return err
}

func (d *Deployment) addHosts() (err error) {
	if d.names, err = newNames(d); err != nil {
		return err
	}
	d.hosts = &hosts{d: d, states: map[string]string{}, logVolumes: map[string]*awsrules.LogVolume{}, running: map[string]*host{}}
	d.background.Go(d.names.keep)
	d.background.Go(d.hosts.keep)
	return nil
}

// forward gives on what the gate has let through. moto tells accounts apart by access keys, so the caller's own is replaced.
func (d *Deployment) forward(w http.ResponseWriter, h *http.Request) {
	if target := h.Header.Get("X-Amz-Target"); strings.HasPrefix(target, "AWSStepFunctions.") {
		if strings.HasSuffix(target, ".StartExecution") && d.startsFail.Load() {
			http.Error(w, "Step Functions is away", http.StatusServiceUnavailable)
			return
		}
		d.workflows.ServeHTTP(w, h)
		return
	}
	before, rest, _ := strings.Cut(h.Header.Get("Authorization"), "Credential=")
	key, scope, _ := strings.Cut(rest, "/")
	if who, service := d.insider(key), scopeOf(scope); who != "" && service != "dynamodb" {
		d.complain("%s is inside the VPC and calls %s, to which there is no way", who, service)
		http.Error(w, "there is no way", http.StatusGatewayTimeout)
		return
	}
	if function, is := iam.InvokedFunction(h.URL.EscapedPath()); is {
		d.serveInvocation(w, h, function)
		return
	}
	h.Header.Set("Authorization", before+"Credential="+d.account.Credentials.AccessKeyID+"/"+scope)
	h.Header.Del("X-Amz-Security-Token")
	d.rules.ServeHTTP(w, h)
}

// insider gives the name of the function inside the VPC that has an access key; empty when none has.
func (d *Deployment) insider(key string) string {
	p, _ := d.caller(key)
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.functions[p.Name]; f != nil && f.inside {
		return f.name
	}
	return ""
}

// scopeOf is the service that a signature is for: 20260101/eu-west-1/dynamodb/aws4_request.
func scopeOf(scope string) string {
	parts := strings.Split(scope, "/")
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// one is the only resource of a type.
func (d *Deployment) one(resourceType string) (resource, error) {
	names := d.resources.resolver.Template.Names(resourceType)
	if len(names) != 1 {
		return resource{}, fmt.Errorf("the template has %d resources of type %s", len(names), resourceType)
	}
	return d.resources.make(names[0])
}

// zone is the id of the brokers' zone.
func (d *Deployment) zone() (string, error) {
	made, err := d.one("AWS::Route53::HostedZone")
	return made.ref, err
}

// launchData is what instances are launched with, and the role that they get.
func (d *Deployment) launchData() (data ec2types.RequestLaunchTemplateData, role, roleID string, err error) {
	names := d.resources.resolver.Template.Names("AWS::EC2::LaunchTemplate")
	if len(names) != 1 {
		return data, "", "", fmt.Errorf("the template has %d launch templates", len(names))
	}
	p, err := d.resources.resolver.Properties(names[0])
	if err != nil {
		return data, "", "", err
	}
	if data, err = into[ec2types.RequestLaunchTemplateData](p["LaunchTemplateData"]); err != nil {
		return data, "", "", err
	}
	if data.IamInstanceProfile == nil {
		return data, "", "", errors.New("the launch template names no instance profile")
	}
	role = d.resources.roles[aws.ToString(data.IamInstanceProfile.Arn)]
	for _, logical := range d.resources.resolver.Template.Names("AWS::IAM::Role") {
		made, err := d.resources.make(logical)
		if err != nil {
			return data, "", "", err
		}
		if made.attributes["Arn"] == role {
			return data, role, made.attributes["RoleId"], nil
		}
	}
	return data, "", "", fmt.Errorf("nobody knows the role %s", role)
}

// issueRoleKey gives somebody a key of a role's session.
func (d *Deployment) issueRoleKey(p iam.Principal) string {
	key := "ASIA" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:16])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.principals[key] = p
	d.keys[p.Name] = key
	return key
}

func (d *Deployment) caller(key string) (iam.Principal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, known := d.principals[key]
	return p, known
}

// keyOf is the access key of a function or a host, by the name of its principal.
func (d *Deployment) keyOf(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys[name]
}

// invokeTraced invokes a function as part of a trace.
func (d *Deployment) invokeTraced(ctx context.Context, name string, payload []byte, header string) ([]byte, error) {
	return d.invoke(lambdaruntime.WithTrace(ctx, header), name, payload)
}

// pause waits; it is false once the deployment is over.
func (d *Deployment) pause(for_ time.Duration) bool {
	select {
	case <-d.ctx.Done():
		return false
	case <-time.After(for_):
		return true
	}
}

// note remembers what happened, for the report of a test that fails.
func (d *Deployment) note(format string, args ...any) {
	fmt.Fprintf(d.log("harness"), time.Now().UTC().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// complain fails the test when it ends: what runs in the background may not do it earlier.
func (d *Deployment) complain(format string, args ...any) {
	d.note(format, args...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complaints = append(d.complaints, fmt.Sprintf(format, args...))
}

// ExpectRefusals takes refusals of the gate for what the test is about. All others fail it.
func (d *Deployment) ExpectRefusals(expected func(caller, action, resource string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expected = append(d.expected, func(r iam.Refusal) bool {
		return r.Why == nil && expected(r.Caller, r.Check.Action, r.Check.Resource)
	})
}

// end stops everything and judges what was seen.
func (d *Deployment) end(cancel func()) {
	cancel()
	d.background.Wait()
	if d.hosts != nil {
		if d.t.Failed() {
			d.hosts.tellLogs(func(name, text string) { d.t.Logf("--- %s\n%s", name, text) })
		}
		d.hosts.powerOffAll()
	}
	if d.workflows != nil {
		if err := d.workflows.end(); err != nil {
			d.t.Errorf("end the engine: %v", err)
		}
	}
	for _, f := range d.functions {
		f.running.Stop()
	}
	if d.front != nil {
		if err := d.front.close(); err != nil {
			d.t.Errorf("close the front: %v", err)
		}
	}
	if d.traces != nil {
		d.traces.conn.Close()
	}
	if d.entrance != nil {
		d.entrance.Close()
	}
	for _, c := range d.complaints {
		d.t.Error(c)
	}
	d.judgeRefusals()
	if d.t.Failed() {
		d.tellLogs()
	}
}

func (d *Deployment) judgeRefusals() {
	if d.gate == nil {
		return
	}
	told := map[string]bool{}
	for _, r := range d.gate.Refusals() {
		meant := false
		for _, e := range d.expected {
			meant = meant || e(r)
		}
		if text := r.String(); !meant && !told[text] {
			told[text] = true
			d.t.Errorf("refused: %s", text)
		}
	}
}

// log is a file that a part of the deployment writes into.
func (d *Deployment) log(name string) *appender {
	return &appender{filepath.Join(d.dir, name+".log")}
}

// appender writes to the end of a file.
type appender struct{ path string }

func (a *appender) Write(p []byte) (int, error) {
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Write(p)
}

// tellLogs prints the ends of all logs.
func (d *Deployment) tellLogs() {
	for _, pattern := range []string{"*.log", "hosts/*/*.log"} {
		files, _ := filepath.Glob(filepath.Join(d.dir, pattern))
		for _, file := range files {
			d.t.Logf("--- %s\n%s", file, tail(file))
		}
	}
}

// tail is the end of a file, as much as one wants to read of it.
func tail(file string) string {
	const enough = 6000
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-enough):])
}
