package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

const region = "eu-west-1"

var key = local.Credentials{AccessKeyID: "KEY", SecretAccessKey: "secret"}

func static(c local.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")
}

// frontDoor is the real API over a real table, which remembers what it answered last.
type frontDoor struct {
	client.Client
	records  records.Records
	kafka    *kafkatest.Pool
	answered bytes.Buffer
}

func open(t *testing.T) *frontDoor {
	t.Helper()
	table := localtest.NewTable(t)
	seal, err := local.Layout{Dir: t.TempDir()}.EnsureSeal()
	if err != nil {
		t.Fatal(err)
	}
	d := &frontDoor{records: records.Records{Table: table}, kafka: &kafkatest.Pool{}}
	functions := local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: d.records, Kafka: d.kafka, Now: time.Now})}
	desk := api.New(api.Deps{
		Records: d.records, Workflows: nothingStarts{}, Functions: functions, Zones: local.Zones{Region: region}, Seal: seal, RootKey: key,
		Now: time.Now, Random: rand.Reader,
		Region: region, Account: local.Account, Controllers: 1, SecurityGroup: "sg-local", VolumeKey: "key",
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		desk.ServeHTTP(answer, r)
		d.answered.Reset()
		d.answered.Write(answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		if _, err := w.Write(answer.Body.Bytes()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	d.Client = client.Client{Route: client.Route{Endpoint: server.URL, Region: region, Credentials: static(key)}}
	return d
}

// nothingStarts leaves every operation as it was recorded.
type nothingStarts struct{}

func (nothingStarts) Start(context.Context, string, string, any) error { return nil }

// create makes a cluster by the SDK, and then gives it what only its operation and its hosts would.
func (d *frontDoor) create(t *testing.T) (arn string) {
	t.Helper()
	msk := kafka.New(kafka.Options{
		Region: region, BaseEndpoint: aws.String(d.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
	})
	out, err := msk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
		ClusterName: aws.String("demo"),
		Provisioned: &types.ProvisionedRequest{
			BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
				ClientSubnets: []string{"subnet-a", "subnet-b", "subnet-c"},
				InstanceType:  aws.String("kafka.m7g.large"),
			},
			KafkaVersion:        aws.String("4.3.x.kraft"),
			NumberOfBrokerNodes: aws.Int32(3),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ClusterArn)
}

func TestClient_ReadsEverythingThatTheAPISays(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.fill(t)

	c, err := d.Cluster(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	// A member that the API has gained is one that people do not get to see.
	strict := json.NewDecoder(&d.answered)
	strict.DisallowUnknownFields()
	var again client.Cluster
	if err := strict.Decode(&again); err != nil {
		t.Errorf("the API says more than the client knows: %v", err)
	}
	if !reflect.DeepEqual(c, again) {
		t.Errorf("read %+v, want %+v", c, again)
	}

	// And one that it has lost is empty in a cluster that has everything.
	for path, value := range map[string]any{
		"name": c.Name, "arn": c.ARN, "state": c.State, "failure": c.Failure, "version": c.Version,
		"kafkaVersion": c.KafkaVersion, "createdAt": c.CreatedAt, "nodes": c.Nodes, "operation": c.Operation,
		"breaker": c.Breaker, "maintenance": c.Maintenance,
	} {
		if reflect.ValueOf(value).IsZero() {
			t.Errorf("%s is empty", path)
		}
	}
	for name, structure := range map[string]any{
		"failure": *c.Failure, "node": c.Nodes[0], "operation": *c.Operation, "step": c.Operation.Steps[0],
		"health": *c.Nodes[0].Health, "maintenance": c.Maintenance[0],
	} {
		v := reflect.ValueOf(structure)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is empty", name, v.Type().Field(i).Name)
			}
		}
	}
	step, ok := c.Operation.CurrentStep()
	if !ok || step.Detail != "broker 1: the disk is full" {
		t.Errorf("the current step is %+v, want the one that failed", step)
	}
}

// fill makes the create of the only cluster fail after one broker has reported, so that no member of a view is empty.
func (d *frontDoor) fill(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	all, err := d.records.AllClusters(ctx)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d clusters, %v; want one", len(all), err)
	}
	c := all[0]
	node := cluster.Node{
		ClusterID: c.ID, ID: 1, Role: cluster.Broker, Rack: "euw1-az1",
		Address: &cluster.Address{ID: "a", IP: "127.0.0.2", Name: "127.0.0.2"},
		Host:    &cluster.Host{ID: "h-1"},
	}
	if err := d.records.AddNodes(ctx, []cluster.Node{node}); err != nil {
		t.Fatal(err)
	}
	beat := nodespec.Heartbeat{State: nodespec.Failing, Reason: "the disk is full", At: time.Now()}
	if err := d.records.PutBeat(ctx, "h-1", beat); err != nil {
		t.Fatal(err)
	}
	looked := cluster.Health{ClusterID: c.ID, LookedAt: time.Now(), Breaker: "2 nodes are sick", Findings: []cluster.Finding{{
		NodeID: 1, Role: cluster.Broker, Host: "h-1", Condition: cluster.DiskFull, Since: time.Now(), Reason: "99 % are used",
		Remedy: cluster.Grow, Waits: "the volume is grown already", Advice: "free space",
	}}}
	if err := d.records.PutHealth(ctx, looked); err != nil {
		t.Fatal(err)
	}
	_, _, err = d.records.ChangeOperation(ctx, c.ID, c.Active.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		c.Healing.Maintain(cluster.MaintenanceWindow{NodeID: 1, Since: time.Now(), Until: time.Now().Add(time.Hour), Reason: "new disk"})
		op.Steps = op.Plan()
		op.Advance(cluster.StepPlan, 50, "")
		op.Fail(c, cluster.Failure{Code: "Unavailable", Message: "broker 1: the disk is full"}, time.Now())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestClient_ReadsEverythingThatTheAPISaysOfHealing(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.fill(t)
	strictly := func(into any) {
		t.Helper()
		strict := json.NewDecoder(bytes.NewReader(d.answered.Bytes()))
		strict.DisallowUnknownFields()
		if err := strict.Decode(into); err != nil {
			t.Errorf("the API says more than the client knows: %v", err)
		}
	}
	h, err := d.AllowHealing(t.Context(), arn, time.Hour)
	if err != nil || h.AllowedUntil == nil {
		t.Errorf("allowed %+v, %v", h, err)
	}
	if h, err = d.LimitHealing(t.Context(), arn, 200); err != nil || h.MaxVolumeGiB != 200 {
		t.Errorf("limited %+v, %v", h, err)
	}
	if h, err = d.BeginMaintenance(t.Context(), arn, 0, 100*time.Millisecond, "new disks"); err != nil || len(h.Maintenance) != 2 ||
		h.Maintenance[0].NodeID != 0 || h.Maintenance[0].Reason != "new disks" || h.Maintenance[0].Until.Sub(h.Maintenance[0].Since) != time.Second {
		t.Errorf("began %+v, %v", h, err)
	}
	if h, err = d.EndMaintenance(t.Context(), arn, 1); err != nil || len(h.Maintenance) > 1 {
		t.Errorf("ended %+v, %v", h, err)
	}
	op := d.heal(t)
	if h, err = d.Health(t.Context(), arn); err != nil || h.State != cluster.Healing || h.LookedAt == nil || h.Breaker == "" ||
		len(h.Nodes) != 1 || !h.Nodes[0].Health.Sick() || h.Nodes[0].String() != "broker 1" {
		t.Errorf("read %+v, %v", h, err)
	}
	strictly(&client.Health{})
	heals, err := d.Heals(t.Context(), arn)
	if err != nil || len(heals) != 1 || heals[0].Operation.ID != op || !reflect.DeepEqual(heals[0], *h.Heal) || heals[0].String() != "broker 1" {
		t.Errorf("listed %+v, %v; under way is %+v", heals, err, h.Heal)
	}
	strictly(&struct{ Heals []client.Heal }{})
	v := reflect.ValueOf(heals[0])
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("heal.%s is empty", v.Type().Field(i).Name)
		}
	}
	if h, err = d.AllowHealing(t.Context(), arn, 0); err != nil || h.AllowedUntil != nil {
		t.Errorf("taken back: %+v, %v", h, err)
	}
}

// heal has a healing operation hold the only cluster.
func (d *frontDoor) heal(t *testing.T) (id string) {
	t.Helper()
	all, err := d.records.AllClusters(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d clusters, %v; want one", len(all), err)
	}
	op := cluster.Operation{ID: "op-1", ClusterID: all[0].ID, Type: cluster.HealBroker, State: cluster.Pending, Attempt: 1, Heal: &cluster.Heal{
		NodeID: 1, Role: cluster.Broker, Remedy: cluster.Grow, Condition: cluster.DiskFull, Reason: "99 % are used", Since: time.Now(),
		Host: "h-1", Launch: 1, VolumeGiB: 110,
	}}
	op.Steps = op.Plan()
	if _, err := d.records.StartOperation(t.Context(), op.ClusterID, op, func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return op.ID
}

func TestClient_ReadsEverythingThatTheAPISaysOfStorage(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.settle(t)
	all, err := d.records.AllClusters(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d clusters, %v; want one", len(all), err)
	}
	c := all[0]
	if err := d.records.AddNodes(t.Context(), []cluster.Node{{
		ClusterID: c.ID, ID: 1, Role: cluster.Broker, Rack: "zone-a", Host: &cluster.Host{ID: "h-1"},
		Volume: &cluster.Volume{
			ID: "vol-1", SizeGiB: 100, ThroughputMiB: 250,
			Further: []cluster.FurtherVolume{{Number: 1, ID: "vol-2", SizeGiB: 10, WholeGiB: 100}}, Added: 1, FirstGiB: 90,
		},
	}}); err != nil {
		t.Fatal(err)
	}
	beat := nodespec.Heartbeat{At: time.Now(), State: nodespec.Running, Disk: &nodespec.Disk{TotalBytes: 100, UsedBytes: 50}}
	if err := d.records.PutBeat(t.Context(), "h-1", beat); err != nil {
		t.Fatal(err)
	}
	op, err := d.GrowStorage(t.Context(), arn, c.Version, 200, []int32{1})
	if err != nil || op.Type != cluster.UpdateBrokerStorage {
		t.Fatalf("begun %+v, %v", op, err)
	}
	s, err := d.Storage(t.Context(), arn)
	strict := json.NewDecoder(bytes.NewReader(d.answered.Bytes()))
	strict.DisallowUnknownFields()
	if unknown := strict.Decode(&client.Storage{}); err != nil || unknown != nil {
		t.Errorf("the API says more than the client knows: %v, %v", unknown, err)
	}
	if s.Growing == nil || len(s.Brokers) != 1 || len(s.Growths) != 1 || s.Growths[0].Operation.ID != op.ID {
		t.Fatalf("read %+v", s)
	}
	for i, v := 0, reflect.ValueOf(s.Brokers[0]); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the broker's %s is empty", v.Type().Field(i).Name)
		}
	}
	if want := (client.VolumeChange{NodeID: 1, FromGiB: 100, ToGiB: 200, FromThroughputMiB: 250, ToThroughputMiB: 250}); s.Growing.Volumes[0] != want || s.Growing.Cause != "request" {
		t.Errorf("growing is %+v, want %+v", s.Growing, want)
	}
	if _, err := d.GrowStorage(t.Context(), arn, c.Version, 300, nil); err == nil || !strings.Contains(err.Error(), "UPDATING") {
		t.Errorf("another growth: %v", err)
	}
}

func TestClient_ResumesAFailedCluster(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.fill(t)
	c, err := d.Resume(t.Context(), arn)
	if err != nil || c.State != cluster.Creating || c.Operation.Attempt != 2 {
		t.Errorf("resumed: %+v, %v; want it CREATING in its second attempt", c, err)
	}
}

func TestClient_ReadsEverythingThatTheAPISaysOfAccessKeys(t *testing.T) {
	d := open(t)
	strictly := func(into any) {
		t.Helper()
		strict := json.NewDecoder(bytes.NewReader(d.answered.Bytes()))
		strict.DisallowUnknownFields()
		if err := strict.Decode(into); err != nil {
			t.Errorf("the API says more than the client knows: %v", err)
		}
	}
	old, err := d.IssueKey(t.Context(), accesskey.Operator, "for CI")
	if err != nil || old.Secret == "" || old.CreatedBy != key.AccessKeyID || old.Description != "for CI" || old.CreatedAt.IsZero() {
		t.Fatalf("issued %+v, %v", old, err)
	}
	strictly(&client.IssuedKey{})
	next, err := d.RotateKey(t.Context(), old.ID, time.Hour)
	if err != nil || next.Secret == "" || next.Replaces == nil || next.Replaces.ID != old.ID || next.Replaces.ReplacedBy != next.ID {
		t.Fatalf("rotated %+v, %v", next, err)
	}
	if ends := next.Replaces.EndsAt; ends == nil || ends.Sub(next.CreatedAt) != time.Hour {
		t.Errorf("the old one ends at %v, an hour after %v", ends, next.CreatedAt)
	}
	strictly(&client.IssuedKey{})
	keys, err := d.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].ID != old.ID && keys[1].ID != old.ID {
		t.Errorf("listed %+v, %v", keys, err)
	}
	strictly(&struct{ Keys []client.AccessKey }{})
	revoked, err := d.RevokeKey(t.Context(), old.ID)
	if err != nil || revoked.ID != old.ID || revoked.Role != accesskey.Operator {
		t.Errorf("revoked %+v, %v", revoked, err)
	}
	strictly(&client.AccessKey{})
}

// settle has the create of the only cluster end well, so that there is somebody to ask about groups.
func (d *frontDoor) settle(t *testing.T) {
	t.Helper()
	all, err := d.records.AllClusters(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d clusters, %v; want one", len(all), err)
	}
	if _, _, err := d.records.ChangeOperation(t.Context(), all[0].ID, all[0].Active.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, "K2", time.Now())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.records.PutKafkaAccess(t.Context(), all[0].ID, records.KafkaAccess{Ends: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func TestClient_ReadsEverythingThatTheAPISaysOfGroups(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	d.settle(t)
	strictly := func(into any) {
		t.Helper()
		strict := json.NewDecoder(bytes.NewReader(d.answered.Bytes()))
		strict.DisallowUnknownFields()
		if err := strict.Decode(into); err != nil {
			t.Errorf("the API says more than the client knows: %v", err)
		}
	}
	whole := func(structure any, except ...string) {
		t.Helper()
		v := reflect.ValueOf(structure)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !slices.Contains(except, name) {
				t.Errorf("%T.%s is empty", structure, name)
			}
		}
	}
	at := cluster.TopicPartition{Topic: "payments", ID: 1}
	busy := cluster.Group{
		ID: "busy/bees", Type: "consumer", State: "Stable", Protocol: "uniform", Coordinator: 1,
		Members: []cluster.GroupMember{{ID: "m", InstanceID: "one", ClientID: "app", Host: "10.0.0.9", Partitions: []cluster.TopicPartition{at}}},
		Offsets: []cluster.GroupOffset{{TopicPartition: at, Committed: 4, Begin: 1, End: 10, Lag: new(int64(6)), Behind: new(time.Minute), Member: "m"}},
	}
	idle := busy
	idle.ID, idle.Members = "idle", nil
	d.kafka.SetGroup(busy)
	d.kafka.SetGroup(idle)

	groups, err := d.Groups(t.Context(), arn)
	if err != nil || len(groups) != 2 {
		t.Fatalf("listed %+v, %v", groups, err)
	}
	whole(groups[0])
	strictly(&struct{ Groups []client.GroupSummary }{})
	g, err := d.Group(t.Context(), arn, "busy/bees")
	if err != nil || g.ID != "busy/bees" {
		t.Fatalf("described %+v, %v", g, err)
	}
	whole(g)
	whole(g.Members[0])
	whole(g.Members[0].Partitions[0])
	whole(g.Offsets[0])
	strictly(&client.Group{})
	of := client.OffsetsOf{Group: "idle", Topic: "payments", Partitions: []int32{1}, DryRun: true}
	reset, err := d.ResetOffsets(t.Context(), arn, of, cluster.OffsetTarget{By: new(int64(2))})
	if err != nil || len(reset.Changes) != 1 || *reset.Changes[0].To != 6 {
		t.Fatalf("reset %+v, %v", reset, err)
	}
	whole(reset)
	whole(reset.Changes[0], "Note")
	strictly(&client.OffsetChanges{})
	if deleted, err := d.DeleteOffsets(t.Context(), arn, of); err != nil || !deleted.DryRun || *deleted.Changes[0].From != 4 || deleted.Changes[0].To != nil {
		t.Errorf("deleted %+v, %v", deleted, err)
	}
	if err := d.DeleteGroup(t.Context(), arn, "idle"); err != nil {
		t.Error(err)
	}
	var refused *client.Error
	if err := d.DeleteGroup(t.Context(), arn, "busy/bees"); !errors.As(err, &refused) || !strings.Contains(refused.Message, "has members") {
		t.Errorf("deleted one with members: %v", err)
	}
}

func TestClient_ListsClusters(t *testing.T) {
	d := open(t)
	if none, err := d.Clusters(t.Context()); err != nil || none == nil || len(none) > 0 {
		t.Errorf("without clusters the list is %v, %v; want an empty one", none, err)
	}
	d.create(t)
	if one, err := d.Clusters(t.Context()); err != nil || len(one) != 1 || one[0].Name != "demo" {
		t.Errorf("the list is %+v, %v", one, err)
	}
}

func TestClient_SaysWhatTheControlPlaneRefuses(t *testing.T) {
	d := open(t)
	arn := d.create(t)
	var refused *client.Error
	if _, err := d.Authority(t.Context(), arn); !errors.As(err, &refused) || refused.Type != "NotFoundException" ||
		!strings.Contains(refused.Message, "certificate authority") {
		t.Errorf("a cluster without authority: %v", err)
	}
	stranger := d.Client
	stranger.Credentials = static(local.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: "wrong"})
	if _, err := stranger.Clusters(t.Context()); !errors.As(err, &refused) || refused.Type != "ForbiddenException" {
		t.Errorf("a wrong key: %v", err)
	}
}

func TestClient_TellsAStrangerFromAControlPlane(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := client.Client{Route: client.Route{Endpoint: server.URL, Region: region, Credentials: static(key)}}.Clusters(t.Context())
	var refused *client.Error
	if err == nil || errors.As(err, &refused) {
		t.Errorf("got %v, want an error that is not the control plane's", err)
	}
}

func TestRoute_OfAnIAMIdentityBringsItsSession(t *testing.T) {
	var came *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came = r
		_, _ = w.Write([]byte(`{"clusters": []}`))
	}))
	t.Cleanup(server.Close)
	c := client.Client{Route: client.Route{
		Endpoint: server.URL + "/v1", Region: region, IAM: true,
		Credentials: credentials.NewStaticCredentialsProvider("ASIAROLE", "secret", "the session"),
	}}
	if _, err := c.Cluster(t.Context(), "arn:aws:kafka:eu-west-1:1:cluster/a/b"); err != nil {
		t.Fatal(err)
	}
	if got := came.URL.EscapedPath(); got != "/v1/iam/millrace/v1/clusters/arn%3Aaws%3Akafka%3Aeu-west-1%3A1%3Acluster%2Fa%2Fb" {
		t.Errorf("it went to %s", got)
	}
	signed := came.Header.Get("Authorization")
	if came.Header.Get("X-Amz-Security-Token") != "the session" || !strings.Contains(signed, "x-amz-security-token") ||
		!strings.Contains(signed, "/eu-west-1/execute-api/") {
		t.Errorf("it came with %v", came.Header)
	}
}

// A redirect would take a signature to somebody it was not made for.
func TestRoute_FollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	_, err := client.Client{Route: client.Route{Endpoint: server.URL, Region: region, Credentials: static(key)}}.Clusters(t.Context())
	if err == nil {
		t.Error("a redirect is no answer")
	}
}
