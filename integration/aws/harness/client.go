package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/integration/aws/iam"
	kafka "github.com/millrace/millrace/integration/harness"
	"github.com/millrace/millrace/shared/mskapi/mskapitest"
	"github.com/millrace/millrace/shared/platform/local/asl"
)

// Endpoint is what AWS_ENDPOINT_URL_KAFKA has to be for the deployment's clients.
func (d *Deployment) Endpoint() string { return "https://" + d.gateway.host() + "/" + d.gateway.stage }

// Credentials are an access key: one that Millrace has issued, or one of a user of IAM.
type Credentials struct{ ID, Secret string }

// IAMUser makes a user of IAM who may do what a policy says, and gives their access key.
func (d *Deployment) IAMUser(name string, policy map[string]any) Credentials {
	d.t.Helper()
	parsed, err := iam.ParsePolicy(policy)
	if err != nil {
		d.t.Fatal(err)
	}
	c := Credentials{"AKIA" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:16]), uuid.NewString()}
	arn := fmt.Sprintf("arn:aws:iam::%s:user/%s", d.resources.account, name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gateway.identities[c.ID] = identity{arn: arn, secret: c.Secret, principal: iam.Principal{
		Name: name, ARN: arn, Role: arn, UserID: "AIDA" + strings.ToUpper(name), Policies: []iam.Policy{parsed},
	}}
	return c
}

// Admin is a user of IAM who may call all of the API by the way that IAM guards, as the README of the deployment shows it.
func (d *Deployment) Admin() Credentials {
	d.t.Helper()
	return d.IAMUser("admin", map[string]any{"Statement": map[string]any{
		"Effect": "Allow", "Action": "execute-api:Invoke",
		"Resource": d.resources.arn("execute-api", d.gateway.id+"/"+d.gateway.stage+"/*/iam/*"),
	}})
}

// IssueKey has an admin issue an access key with a role, by the millrace command.
func (d *Deployment) IssueKey(admin Credentials, role string) Credentials {
	d.t.Helper()
	out, err := d.Millrace(admin, "keys", "issue", "--role", role, "--output", "json")
	if err != nil {
		d.t.Fatalf("issue a key: %v", err)
	}
	var issued struct{ AccessKeyID, SecretAccessKey string }
	if err := json.Unmarshal([]byte(out), &issued); err != nil || issued.AccessKeyID == "" {
		d.t.Fatalf("issue a key: %v: %s", err, out)
	}
	return Credentials{issued.AccessKeyID, issued.SecretAccessKey}
}

// Millrace runs the millrace command against the deployment, and gives what it printed.
func (d *Deployment) Millrace(c Credentials, args ...string) (string, error) {
	d.t.Helper()
	return d.run(d.environment(c), filepath.Join(d.built, "bin", "millrace"), append(args, "--endpoint", d.Endpoint())...)
}

// AWS runs the stock aws command line against the deployment, and gives the JSON it printed.
func (d *Deployment) AWS(c Credentials, args ...string) string {
	d.t.Helper()
	out, err := d.TryAWS(c, args...)
	if err != nil {
		d.t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// TryAWS is AWS for what may be refused: the error holds what the command line said.
func (d *Deployment) TryAWS(c Credentials, args ...string) (string, error) {
	d.t.Helper()
	return d.run(d.environment(c), mskapitest.CommandLine(d.t), append([]string{"--output", "json"}, args...)...)
}

// environment is that of a client: the endpoint, an access key, and the way to the stand-in for API Gateway, which a client in
// the world does not need.
func (d *Deployment) environment(c Credentials) []string {
	bundle := filepath.Join(d.dir, "gateway.pem")
	if err := os.WriteFile(bundle, d.front.certificate, 0o600); err != nil {
		d.t.Fatal(err)
	}
	var kept []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(strings.ToUpper(e), "NO_PROXY") {
			kept = append(kept, e)
		}
	}
	return append(kept,
		"AWS_ENDPOINT_URL_KAFKA="+d.Endpoint(), "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING="+d.Endpoint(),
		"AWS_REGION="+d.resources.region, "AWS_DEFAULT_REGION="+d.resources.region,
		"AWS_ACCESS_KEY_ID="+c.ID, "AWS_SECRET_ACCESS_KEY="+c.Secret, "AWS_PAGER=",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"HTTPS_PROXY=http://"+d.front.address(), "https_proxy=http://"+d.front.address(), "AWS_CA_BUNDLE="+bundle, "SSL_CERT_FILE="+bundle)
}

// run runs a program to its end, two minutes at most.
func (d *Deployment) run(environment []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(d.ctx, 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment, &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w\n%s", err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Subnets are the template's subnets for brokers, SecurityGroup a group of the VPC.
func (d *Deployment) Subnets() []string {
	d.t.Helper()
	var ids []string
	for _, logical := range d.resources.resolver.Template.Names("AWS::EC2::Subnet") {
		made, err := d.resources.make(logical)
		if err != nil {
			d.t.Fatal(err)
		}
		ids = append(ids, made.ref)
	}
	return ids
}

// Create is the usual request for a cluster, for the aws command line.
func (d *Deployment) Create(name string, brokers int) []string {
	d.t.Helper()
	subnets := d.Subnets()
	return []string{
		"kafka", "create-cluster", "--cluster-name", name, "--kafka-version", "4.3.x.kraft",
		"--number-of-broker-nodes", fmt.Sprint(brokers), "--broker-node-group-info",
		"InstanceType=kafka.m7g.large,ClientSubnets=" + strings.Join(subnets[:min(brokers, len(subnets))], ","),
	}
}

// CreateCluster asks for a cluster and gives its ARN.
func (d *Deployment) CreateCluster(c Credentials, name string, brokers int) (arn string) {
	d.t.Helper()
	created := kafka.Decode[struct{ ClusterArn, State string }](d.t, d.AWS(c, d.Create(name, brokers)...))
	if created.State != "CREATING" || created.ClusterArn == "" {
		d.t.Fatalf("create-cluster answered %+v", created)
	}
	return created.ClusterArn
}

// settled is how long a cluster may take to become ACTIVE or to be gone, on a machine that has much else to do.
const settled = 6 * time.Minute

// WaitUntilActive waits until a cluster is ACTIVE.
func (d *Deployment) WaitUntilActive(c Credentials, arn string) {
	d.t.Helper()
	if state, reason := d.waitUntilSettled(c, arn); state != "ACTIVE" {
		d.t.Fatalf("cluster %s is %s: %s", arn, state, reason)
	}
}

// WaitUntilFailed waits until a cluster is FAILED, and gives the reason that the API tells.
func (d *Deployment) WaitUntilFailed(c Credentials, arn string) (reason string) {
	d.t.Helper()
	state, reason := d.waitUntilSettled(c, arn)
	if state != "FAILED" {
		d.t.Fatalf("cluster %s is %s, not FAILED", arn, state)
	}
	return reason
}

func (d *Deployment) waitUntilSettled(c Credentials, arn string) (state, reason string) {
	d.t.Helper()
	kafka.Until(d.t, "cluster "+arn+" is ACTIVE or FAILED", settled, func() (bool, string) {
		described := kafka.Decode[struct {
			ClusterInfo struct {
				State     string
				StateInfo struct{ Message string }
			}
		}](d.t, d.AWS(c, "kafka", "describe-cluster", "--cluster-arn", arn)).ClusterInfo
		state, reason = described.State, described.StateInfo.Message
		return state != "CREATING", state
	})
	return state, reason
}

// WaitUntilGone waits until the API knows nothing of a cluster any more.
func (d *Deployment) WaitUntilGone(c Credentials, arn string) {
	d.t.Helper()
	kafka.Until(d.t, "cluster "+arn+" is gone", settled, func() (bool, string) {
		out, err := d.TryAWS(c, "kafka", "describe-cluster", "--cluster-arn", arn)
		if err == nil {
			return false, out
		}
		if !strings.Contains(err.Error(), "NotFoundException") {
			d.t.Fatalf("describe-cluster: %v", err)
		}
		return true, ""
	})
}

// KafkaClient reaches a cluster from within the VPC, by the names that get-bootstrap-brokers gives.
func (d *Deployment) KafkaClient(c Credentials, arn string) (client kafka.Client, bootstrap string) {
	d.t.Helper()
	bootstrap = kafka.Decode[struct{ BootstrapBrokerStringTls string }](d.t,
		d.AWS(c, "kafka", "get-bootstrap-brokers", "--cluster-arn", arn)).BootstrapBrokerStringTls
	authority, err := d.Millrace(c, "ca", arn)
	if err != nil {
		d.t.Fatalf("millrace ca: %v", err)
	}
	return kafka.NewClient(d.t, bootstrap, authority, func(network, address string) (net.Conn, error) {
		return d.names.dial(d.ctx, network, address)
	}), bootstrap
}

// Logs are what a function has logged so far.
func (d *Deployment) Logs(function string) string {
	d.t.Helper()
	content, err := os.ReadFile(d.log(function).path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
	return string(content)
}

// Traces are the parts of traces that functions have sent so far.
func (d *Deployment) Traces() []Segment { return d.traces.all() }

// KillFunctions ends every process of every function as kill -9 does.
func (d *Deployment) KillFunctions() (killed int) {
	d.t.Helper()
	for _, f := range d.functions {
		for _, pid := range processesOf(f.binary) {
			if p, err := os.FindProcess(pid); err == nil && p.Kill() == nil {
				killed++
			}
		}
	}
	return killed
}

// processesOf are the processes of this machine that run a program.
func processesOf(program string) []int {
	entries, _ := os.ReadDir("/proc") // there is one, or nothing runs
	var found []int
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		if target, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); err == nil && target == program {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}

// RestartWorkflows stops the state machines where they are and lets them go on.
func (d *Deployment) RestartWorkflows() {
	d.t.Helper()
	if err := errors.Join(d.workflows.end(), d.workflows.begin(d.ctx)); err != nil {
		d.t.Fatal(err)
	}
}

// ForeignSubnets are three subnets of another VPC of the account, each in a zone of its own: its default VPC's.
func (d *Deployment) ForeignSubnets() []string {
	d.t.Helper()
	found, err := ec2.NewFromConfig(d.resources.admin).DescribeSubnets(d.ctx, &ec2.DescribeSubnetsInput{
		Filters: []ec2types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}},
	})
	if err != nil || len(found.Subnets) < 3 {
		d.t.Fatalf("the account has no default subnets: %v", err)
	}
	var ids []string
	for _, s := range found.Subnets[:3] {
		ids = append(ids, aws.ToString(s.SubnetId))
	}
	return ids
}

// SubnetBeside makes a subnet in the zone and the VPC of another.
func (d *Deployment) SubnetBeside(subnet string) string {
	d.t.Helper()
	client := ec2.NewFromConfig(d.resources.admin)
	found, err := client.DescribeSubnets(d.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{subnet}})
	if err != nil {
		d.t.Fatal(err)
	}
	made, err := client.CreateSubnet(d.ctx, &ec2.CreateSubnetInput{
		VpcId: found.Subnets[0].VpcId, AvailabilityZone: found.Subnets[0].AvailabilityZone, CidrBlock: aws.String(d.resources.onLoopback("10.42.250.0/24")),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return aws.ToString(made.Subnet.SubnetId)
}

// Called counts the calls of AWS by that name, such as ec2:RunInstances.
func (d *Deployment) Called(name string) int { return d.rules.Count(name) }

// AbortedBecause is what an operator gives as the reason of an abort.
const AbortedBecause = "somebody has stopped it in the console"

// AbortExecutions ends every execution that runs, as an operator does in the console: no Catch sees it.
func (d *Deployment) AbortExecutions() {
	d.t.Helper()
	engine := d.workflows.running()
	for _, x := range engine.List() {
		if x.Status == asl.Running {
			if err := engine.Stop(x.ARN, "", AbortedBecause); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

// WithoutStarts does something while no function can start an execution: Step Functions is away.
func (d *Deployment) WithoutStarts(do func()) {
	d.startsFail.Store(true)
	defer d.startsFail.Store(false)
	do()
}

// Executions are the states of all executions of a machine, by its file's name.
func (d *Deployment) Executions(machine string) []string {
	var found []string
	for _, x := range d.workflows.running().List() {
		if x.Machine == deploymentName+"-"+machine {
			found = append(found, string(x.Status))
		}
	}
	return found
}

// Throttled counts the invocations that were refused because too many ran.
func (d *Deployment) Throttled() int { return int(d.throttled.Load()) }
