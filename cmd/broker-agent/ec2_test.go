package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
)

const (
	instance = "i-0123456789abcdef0"
	roleID   = "AROAABCDEFGHIJKLMNOPQ"
)

// serveMetadata makes this process an instance with the user data of a table.
func serveMetadata(t *testing.T, account awstest.AWS, data any) {
	t.Helper()
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(awstest.Metadata{
		InstanceID: instance, UserData: string(text), Role: "host", Credentials: account.Credentials,
	})
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	// Credentials of somebody else that a host must not take for its own.
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "somebody else's")
}

// startRun runs the program until the returned function, or the end of the test, tells it to end.
func startRun(t *testing.T, args ...string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	output, ended := &bytes.Buffer{}, make(chan error, 1)
	go func() { ended <- run(ctx, args, output) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil || t.Failed() {
			t.Errorf("broker-agent %v: %v\n%s", args, err, output)
		}
	})
	return stop
}

func TestRunOnEC2_AHostTalksThroughTheTableUnderItsOwnRole(t *testing.T) {
	account := awstest.Start(t)
	table := account.NewTable(t)
	serveMetadata(t, account, userData{Deployment: "millrace", Table: table, Region: awstest.Region, RoleID: roleID})
	// DynamoDB alone can be reached; a call of any other service fails.
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", account.Endpoint)

	controlPlane := records.Records{Table: dynamo.New(account.Config, table), HostRole: roleID}
	await := func(what string, isIt func(nodespec.Heartbeat) bool) nodespec.Heartbeat {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			beat, ok, err := controlPlane.Beat(t.Context(), instance)
			if err != nil {
				t.Fatal(err)
			}
			if ok && isIt(beat) {
				return beat
			}
			if time.Now().After(deadline) {
				t.Fatalf("no heartbeat with %s; the last one: %+v", what, beat)
			}
		}
	}

	stop := startRun(t, "run", "--ec2", "--host-dir", t.TempDir(), "--kafka", t.TempDir())
	first := await("a signing request", func(b nodespec.Heartbeat) bool { return b.SigningRequest != "" })
	if first.HostID != instance || first.State != nodespec.Waiting {
		t.Errorf("first heartbeat %+v", first)
	}
	err := controlPlane.PutSpec(t.Context(), instance, nodespec.Spec{
		Generation: 1, Cluster: "orders", ClusterID: "AAAAAAAAAAAAAAAAAAAAAA", NodeID: 1001, Role: cluster.Controller, Release: "4.1.2",
		Properties: map[string]string{
			"node.id": "1001", "process.roles": "controller", "log.dirs": nodespec.VolumePath, "listeners": "CONTROLLER://127.0.0.1:9093",
			"controller.listener.names": "CONTROLLER", "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The directory of the volume is on the host's own disk, so nothing is written there.
	waiting := await("the spec's generation", func(b nodespec.Heartbeat) bool { return b.Generation == 1 })
	if waiting.State != nodespec.Preparing || waiting.NodeID != 1001 || waiting.SigningRequest != first.SigningRequest {
		t.Errorf("heartbeat under a spec: %+v", waiting)
	}
	await("the wait for the volume", func(b nodespec.Heartbeat) bool { return b.Reason == "waiting for the volume to be attached" })
	if err := stop(); err != nil {
		t.Error(err)
	}
	await("a farewell", func(b nodespec.Heartbeat) bool { return b.State == nodespec.Stopped })
}

func TestRunOnEC2_SaysWhatIsWrongWithTheHost(t *testing.T) {
	for _, tt := range []struct {
		name string
		data any
		want string
	}{
		{"user data of another kind", "#!/bin/sh", "user data"},
		{"user data that names no table", map[string]string{"region": "eu-west-1", "roleId": roleID}, "does not name table, region and roleId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serveMetadata(t, awstest.AWS{}, tt.data)
			err := run(t.Context(), []string{"run", "--ec2", "--host-dir", t.TempDir()}, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want: %s", err, tt.want)
			}
		})
	}
}

func TestRunOnEC2_SaysThatThisIsNoInstance(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", elsewhere.URL)
	err := run(t.Context(), []string{"run", "--ec2", "--host-dir", t.TempDir()}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "--ec2 is for EC2 instances") {
		t.Errorf("err = %v", err)
	}
}

func TestRun_SaysHowItIsUsed(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string // of the error; empty for none
	}{
		{[]string{"--help"}, ""},
		{[]string{"mount", "--help"}, ""},
		{[]string{"grow", "--help"}, ""},
		{nil, "what to do is one of: run, mount, grow"},
		{[]string{"stop"}, "what to do is one of: run, mount, grow"},
		{[]string{"run"}, "--host-dir is missing"},
		{[]string{"run", "--ec2", "now"}, `"now" is not understood; try: broker-agent --help`},
		{[]string{"run", "--host-dir", "d", "--kafka", "k"}, "--volume, --kafka and --record go with --ec2; elsewhere host.json says them"},
		{[]string{"mount", "--format"}, "flag provided but not defined: -format"},
	} {
		var output bytes.Buffer
		err := run(t.Context(), tt.args, &output)
		if tt.want == "" && (err != nil || !strings.Contains(output.String(), "Examples:")) || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("broker-agent %v: %v, want %q; it printed\n%s", tt.args, err, tt.want, &output)
		}
	}
}
