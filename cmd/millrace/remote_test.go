package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

// issue has somebody issue a key.
func (d *deployment) issue(who identity, role string) identity {
	d.t.Helper()
	var key client.IssuedKey
	if err := json.Unmarshal([]byte(d.succeeds(who, "keys", "issue", "--role", role, "--output", "json")), &key); err != nil {
		d.t.Fatal(err)
	}
	if key.CreatedBy != who.arn && key.CreatedBy != who.id {
		d.t.Errorf("the key was issued by %s, want %s", key.CreatedBy, who.arn)
	}
	return identity{id: key.ID, secret: key.Secret}
}

// cluster gives the record of the only cluster, with a certificate authority as its operation would have made it.
func (d *deployment) cluster() cluster.Cluster {
	d.t.Helper()
	all, err := d.records.AllClusters(d.t.Context())
	if err != nil || len(all) != 1 {
		d.t.Fatalf("%d clusters, %v; want one", len(all), err)
	}
	c, err := d.records.ChangeCluster(d.t.Context(), all[0].ID, func(c *cluster.Cluster) error {
		c.Authority = "-----BEGIN CERTIFICATE-----\n"
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func TestRemote_AnIAMIdentityIssuesTheFirstKeyAndAWSClientsUseIt(t *testing.T) {
	d := deploy(t)
	key := d.issue(ada, "operator")
	if !d.saw("/iam/{proxy+} POST /iam/millrace/v1/keys") {
		t.Errorf("it was issued by %v", d.came)
	}
	aws := d.aws(key, remoteURL)
	if out, err := aws(createArgs("demo")...); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	c := d.cluster()
	if out, err := aws("kafka", "describe-cluster-v2", "--cluster-arn", c.ARN); err != nil || !strings.Contains(out, "CREATING") {
		t.Errorf("describe: %v\n%s", err, out)
	}
	if out, err := aws("kafka", "delete-cluster", "--cluster-arn", c.ARN); err == nil || !strings.Contains(out, "takes the role admin") {
		t.Errorf("delete: %v\n%s", err, out)
	}
	// A type that the deployment has no hosts of.
	unfit := createArgs("unfit")
	unfit[len(unfit)-1] = strings.Replace(unfit[len(unfit)-1], "m7g", "m5", 1)
	if out, err := aws(unfit...); err == nil || !strings.Contains(out, "Use kafka.m7g.large") {
		t.Errorf("create on m5: %v\n%s", err, out)
	}
	// The rule by which a command goes: a key of Millrace's own is checked by the control plane.
	if out := d.succeeds(key, "clusters", "list"); !strings.Contains(out, c.ARN) {
		t.Errorf("listed:\n%s", out)
	}
	if !d.saw("/{proxy+} GET /millrace/v1/clusters") {
		t.Errorf("it was listed by %v", d.came)
	}
	if said := d.fails(key, "keys", "list"); !strings.Contains(said, "takes the role admin") {
		t.Errorf("an operator lists keys: %s", said)
	}
	d.succeeds(ada, "keys", "revoke", key.id, "--yes")
	if out, err := aws("kafka", "list-clusters"); err == nil || !strings.Contains(out, "UnauthorizedException") {
		t.Errorf("once it is revoked: %v\n%s", err, out)
	}
}

func TestRemote_CommandsWorkWithAnIAMIdentity(t *testing.T) {
	d := deploy(t)
	admin := d.issue(ada, "admin")
	if out, err := d.aws(admin, remoteURL)(createArgs("demo")...); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	c := d.cluster()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, remoteURL + ", region " + remoteRegion},
		{[]string{"status"}, "demo"},
		{[]string{"status", "--output", "json"}, `"endpoint": "` + remoteURL + `"`},
		{[]string{"clusters", "list"}, c.ARN},
		{[]string{"clusters", "describe", "demo"}, "CREATE_CLUSTER"},
		{[]string{"clusters", "describe", c.ARN}, "CREATE_CLUSTER"},
		{[]string{"ca", "demo"}, "BEGIN CERTIFICATE"},
		{[]string{"keys", "list"}, ada.arn},
	} {
		if out := d.succeeds(ada, tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("millrace %v printed:\n%s\nwant %s", tt.args, out, tt.want)
		}
	}
	if arrived := "/iam/{proxy+} GET /iam/millrace/v1/clusters/" + url.QueryEscape(c.ARN); !d.saw(arrived) || !strings.Contains(arrived, "%2F") {
		t.Errorf("no %s among %v", arrived, d.came)
	}
	// Who may only look is told so by IAM itself.
	d.succeeds(rhea, "status")
	if said := d.fails(rhea, "keys", "issue", "--role", "admin"); !strings.Contains(said, "not authorized to perform: execute-api:Invoke") {
		t.Errorf("it says %q", said)
	}
	if said := d.fails(identity{id: ada.id, secret: "guessed"}, "status"); !strings.Contains(said, "signature") {
		t.Errorf("with a wrong secret it says %q", said)
	}
}

func TestRemote_TheEndpointMayBeInTheEnvironment(t *testing.T) {
	d := deploy(t)
	c := exec.CommandContext(t.Context(), filepath.Join(programs, "millrace"), "status")
	c.Env = append(d.environ(ada.id, ada.secret), "MILLRACE_ENDPOINT="+remoteURL+"/")
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), remoteURL+", region") {
		t.Errorf("status: %v\n%s", err, out)
	}
	// What is about this machine is so whatever the environment says.
	c = exec.CommandContext(t.Context(), filepath.Join(programs, "millrace"), "down")
	c.Env = append(d.environ(ada.id, ada.secret), "MILLRACE_ENDPOINT="+remoteURL)
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "Nothing runs") {
		t.Errorf("down: %v\n%s", err, out)
	}
}

func TestRemote_AControlPlaneOfThisMachineHasAnEndpointToo(t *testing.T) {
	m := newMachine(t)
	m.up()
	plane := m.controlPlane()
	c := m.command(t.Context(), "status", "--endpoint", plane.endpoint())
	c.Env = append(withoutAWS(c.Env), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_ACCESS_KEY_ID="+plane.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+plane.SecretAccessKey, "AWS_REGION="+plane.Region)
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "no clusters yet") {
		t.Errorf("status: %v\n%s", err, out)
	}
}

func TestRemote_EnvIsForKeysThatClientsCanUse(t *testing.T) {
	d := deploy(t)
	key := d.issue(ada, "read-only")
	var e awsEnvironment
	if err := json.Unmarshal([]byte(d.succeeds(key, "env", "--output", "json")), &e); err != nil {
		t.Fatal(err)
	}
	if want := environment(remoteURL, remoteRegion, key.id, key.secret); e != want {
		t.Errorf("it gives %+v, want %+v", e, want)
	}
	said := d.fails(ada, "env")
	for _, want := range []string{"millrace keys issue --endpoint " + remoteURL, "millrace proxy --endpoint " + remoteURL} {
		if !strings.Contains(said, want) {
			t.Errorf("with an IAM identity it says %q, want %q", said, want)
		}
	}
}

func TestRemote_SaysWhatIsMissing(t *testing.T) {
	d := deploy(t)
	for _, tt := range []struct {
		name     string
		who      identity
		endpoint string
		want     string
	}{
		{"a region", ada, "https://kafka.example.com", "AWS_REGION"},
		{"credentials", identity{}, remoteURL, "credentials"},
		{"a control plane", ada, "https://other.execute-api.eu-west-1.amazonaws.com/v1", "does not answer"},
		{"a stage", ada, "https://" + remoteHost, "Forbidden"},
	} {
		r := d.millrace(tt.who.id, tt.who.secret, "status", "--endpoint", tt.endpoint)
		if r.code != exitFailure || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("without %s: %s", tt.name, r)
		}
	}
}

// runningProxy is a proxy with the environment that it printed.
type runningProxy struct {
	awsEnvironment
	command *exec.Cmd
	stderr  *foreground
}

func (d *deployment) proxy(who identity) *runningProxy {
	d.t.Helper()
	p := &runningProxy{stderr: &foreground{}}
	p.command = exec.Command(filepath.Join(programs, "millrace"), "proxy", "--listen", "127.0.0.1:0", "--output", "json", "--endpoint", remoteURL)
	p.command.Env, p.command.Stderr = d.environ(who.id, who.secret), p.stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.command.Process.Kill() })
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&p.awsEnvironment); err != nil {
		d.t.Fatalf("the proxy printed no environment: %v\n%s", err, p.stderr.said())
	}
	return p
}

func TestProxy_LetsAWSClientsWorkWithAnIAMIdentity(t *testing.T) {
	d := deploy(t)
	p := d.proxy(ada)
	aws := awsCLI(t, p.environ()...)
	if out, err := aws(createArgs("demo")...); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	c := d.cluster()
	if out, err := aws("kafka", "describe-cluster", "--cluster-arn", c.ARN); err != nil || !strings.Contains(out, "CREATING") {
		t.Errorf("describe: %v\n%s", err, out)
	}
	if arrived := "/iam/{proxy+} GET /iam/v1/clusters/" + url.QueryEscape(c.ARN); !d.saw(arrived) {
		t.Errorf("no %s among %v", arrived, d.came)
	}
	if out, err := aws("kafka", "list-clusters", "--cluster-name-filter", "de mo+/=", "--max-results", "10", "--no-paginate"); err != nil {
		t.Errorf("a query: %v\n%s", err, out)
	}
	if out, err := aws("application-autoscaling", "describe-scalable-targets", "--service-namespace", "kafka"); err != nil ||
		!strings.Contains(out, `"ScalableTargets": []`) || !d.saw("/iam/{proxy+} POST /iam/application-autoscaling") {
		t.Errorf("Application Auto Scaling: %v\n%s\n%v", err, out, d.came)
	}
	if out, err := aws("kafka", "describe-cluster", "--cluster-arn", c.ARN+"x"); err == nil || !strings.Contains(out, "Exception") {
		t.Errorf("an error: %v\n%s", err, out)
	}
	said := p.stderr.said()
	for _, secret := range []string{p.SecretAccessKey, ada.secret, "AWS4-HMAC", "Signature="} {
		if strings.Contains(said, secret) {
			t.Errorf("the proxy's log holds %s:\n%s", secret, said)
		}
	}
	if err := p.command.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
}

func TestProxy_PassesOnNothingThatIsNotSignedWithItsOwnKey(t *testing.T) {
	d := deploy(t)
	p := d.proxy(ada)
	ask := &http.Client{Timeout: time.Minute}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.EndpointURL+"/v1/clusters", nil)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := ask.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Body.Close()
	if unsigned.StatusCode != http.StatusUnauthorized {
		t.Errorf("unsigned: %s", unsigned.Status)
	}
	for _, other := range []identity{{id: p.AccessKeyID, secret: "guessed"}, ada, {id: "MILLRACEAAAAAAAAAAAA", secret: "guessed"}} {
		e := p.awsEnvironment
		e.AccessKeyID, e.SecretAccessKey = other.id, other.secret
		if out, err := awsCLI(t, e.environ()...)("kafka", "list-clusters"); err == nil {
			t.Errorf("signed by %s: %s", other.id, out)
		}
	}
	if len(d.came) > 0 {
		t.Errorf("passed on %v", d.came)
	}
}

func TestProxy_GivesIAMsRefusalToTheClient(t *testing.T) {
	d := deploy(t)
	aws := awsCLI(t, d.proxy(rhea).environ()...)
	if out, err := aws("kafka", "list-clusters"); err != nil {
		t.Errorf("list: %v\n%s", err, out)
	}
	if out, err := aws(createArgs("demo")...); err == nil || !strings.Contains(out, "AccessDenied") {
		t.Errorf("create: %v\n%s", err, out)
	}
}

func TestProxy_IsNotForKeysThatNeedNone(t *testing.T) {
	d := deploy(t)
	if said := d.fails(d.issue(ada, "admin"), "proxy"); !strings.Contains(said, "millrace env --endpoint "+remoteURL) {
		t.Errorf("it says %q", said)
	}
}
