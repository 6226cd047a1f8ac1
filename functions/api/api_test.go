package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

const (
	region    = "eu-west-1"
	account   = "000000000000"
	accessKey = "AKIAMILLRACETEST"
	secretKey = "not-a-secret"
	volumeKey = "arn:aws:kms:eu-west-1:000000000000:alias/aws/kafka"
)

// frontDesk is the API behind a real listener, with a real table and a real client of the SDK.
type frontDesk struct {
	*kafka.Client
	url       string
	deps      api.Deps
	records   records.Records
	workflows *fakeWorkflows
	zones     fakeZones
	seal      *fakeSeal
}

func openFrontDesk(t *testing.T) *frontDesk {
	t.Helper()
	table := localtest.NewTable(t)
	desk := &frontDesk{records: records.Records{Table: table}, workflows: &fakeWorkflows{}, zones: fakeZones{}, seal: &fakeSeal{}}
	desk.deps = api.Deps{
		Records:       desk.records,
		Workflows:     desk.workflows,
		Zones:         desk.zones,
		Seal:          desk.seal,
		RootKey:       oneKey{},
		Now:           newClock(),
		Random:        rand.Reader,
		Region:        region,
		Account:       account,
		Controllers:   1,
		SecurityGroup: "sg-default",
		VolumeKey:     volumeKey,
	}
	desk.listen(t)
	return desk
}

// newClock gives a clock that tells no millisecond twice: ids of operations sort by it, and a fast machine makes two in one.
func newClock() func() time.Time {
	var looks atomic.Int64
	return func() time.Time { return time.Now().Add(time.Duration(looks.Add(1)) * time.Millisecond) }
}

// listen puts an API with the desk's dependencies behind a listener of its own, and points the client at it.
func (d *frontDesk) listen(t *testing.T) {
	listener := httptest.NewServer(api.New(d.deps))
	t.Cleanup(listener.Close)
	d.url = listener.URL
	d.Client = kafka.New(kafka.Options{
		Region:           region,
		BaseEndpoint:     aws.String(listener.URL),
		Credentials:      credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		RetryMaxAttempts: 1,
	})
}

// fakeWorkflows remembers what was started, and can be broken.
type fakeWorkflows struct {
	mu      sync.Mutex
	started []string // machine and name
	inputs  []string
	broken  error
}

func (f *fakeWorkflows) Start(_ context.Context, machine, name string, input any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	f.started = append(f.started, machine+" "+name)
	f.inputs = append(f.inputs, fmt.Sprintf("%+v", input))
	return nil
}

// fakeZones has a zone for each subnet: its own, unless told otherwise. The subnet "subnet-foreign" cannot be used.
type fakeZones map[string]string

func (f fakeZones) Zones(_ context.Context, subnets []string) ([]string, error) {
	zones := make([]string, len(subnets))
	for i, subnet := range subnets {
		if subnet == "subnet-foreign" {
			return nil, fault.InvalidParameter("clientSubnets", "the subnet %s is not one of ours", subnet)
		}
		zones[i] = "zone of " + subnet
		if zone, told := f[subnet]; told {
			zones[i] = zone
		}
	}
	return zones, nil
}

// fakeGroups are the security groups that there are.
type fakeGroups []string

func (f fakeGroups) CheckSecurityGroups(_ context.Context, groups []string) error {
	for _, g := range groups {
		if !slices.Contains(f, g) {
			return fault.InvalidParameter("securityGroups", "there is no security group %q", g)
		}
	}
	return nil
}

// fakeSeal turns bytes around, counts how often it turns them back, and can be broken.
type fakeSeal struct {
	mu       sync.Mutex
	unsealed int
	broken   error
}

func (f *fakeSeal) Seal(_ context.Context, secret []byte, context map[string]string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Appendf(nil, "%v %s", context, turned(secret)), f.broken
}

func (f *fakeSeal) Unseal(_ context.Context, sealed []byte, context map[string]string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsealed++
	secret, ok := bytes.CutPrefix(sealed, fmt.Appendf(nil, "%v ", context))
	if !ok && f.broken == nil {
		return nil, fault.New(fault.Invalid, "sealed under another context")
	}
	return turned(secret), f.broken
}

func turned(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

type oneKey struct{}

func (oneKey) Secret(_ context.Context, id string) (string, bool, error) {
	if id == "AKIABROKENSTORE" {
		return "", false, errors.New("the key store is down: secret detail")
	}
	return secretKey, id == accessKey, nil
}

// threeBrokers is the smallest request that says everything it has to.
func threeBrokers() types.ProvisionedRequest {
	return types.ProvisionedRequest{
		KafkaVersion:        aws.String("4.1.x.kraft"),
		NumberOfBrokerNodes: aws.Int32(3),
		BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
			InstanceType:  aws.String("kafka.m7g.large"),
			ClientSubnets: []string{"subnet-c", "subnet-a", "subnet-b"},
		},
	}
}

// create creates a cluster of three brokers and gives its record.
func (d *frontDesk) create(t *testing.T, name string) cluster.Cluster {
	t.Helper()
	p := threeBrokers()
	_, err := d.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: &name, Provisioned: &p})
	if err != nil {
		t.Fatal(err)
	}
	return d.recorded(t, name)
}

// recorded gives the record of the cluster with a name.
func (d *frontDesk) recorded(t *testing.T, name string) cluster.Cluster {
	t.Helper()
	found, err := d.records.Clusters(t.Context(), name, "", 1)
	if err != nil || len(found) != 1 {
		t.Fatalf("cluster %s: %v, %v", name, found, err)
	}
	return found[0]
}

// end ends the operation that holds a cluster, as its machine would: well without a failure, badly with one.
func (d *frontDesk) end(t *testing.T, c cluster.Cluster, failure *cluster.Failure) cluster.Cluster {
	t.Helper()
	c, _, err := d.records.ChangeOperation(t.Context(), c.ID, c.Active.ID,
		func(c *cluster.Cluster, op *cluster.Operation) error {
			op.State, op.EndedAt, op.Failure = cluster.Complete, time.Now(), failure
			if failure != nil {
				op.State = cluster.OperationFailed
			}
			c.Active, c.Failure, c.Ready = nil, failure, failure == nil
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// addNodes records brokers 1 to n over zones a, b and c and one controller, each with an address.
func (d *frontDesk) addNodes(t *testing.T, c cluster.Cluster, n int32) {
	t.Helper()
	var nodes []cluster.Node
	for id := int32(1); id <= n; id++ {
		zone := string("abc"[(id-1)%3])
		nodes = append(nodes, cluster.Node{
			ClusterID: c.ID, ID: id, Role: cluster.Broker, Subnet: "subnet-" + zone, Rack: "zone-" + zone, AddedAt: time.Now(),
			Address: &cluster.Address{ID: fmt.Sprintf("eni-%d", id), IP: fmt.Sprintf("127.0.1.%d", id), Name: fmt.Sprintf("b-%d.test", id)},
			Host:    &cluster.Host{ID: fmt.Sprintf("host-%d", id), State: cluster.HostRunning},
		})
	}
	nodes = append(nodes, cluster.Node{
		ClusterID: c.ID, ID: 1001, Role: cluster.Controller, Subnet: "subnet-a", Rack: "zone-a", AddedAt: time.Now(),
		Address: &cluster.Address{ID: "eni-1001", IP: "127.0.1.101", Name: "c-1001.test"},
	})
	if err := d.records.AddNodes(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
}

// refused wants an exception of a type whose message says what is wrong.
func refused(t *testing.T, err error, code, tellingPart string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a %s", err, code)
	}
	if e.ErrorCode() != code || !bytes.Contains([]byte(e.ErrorMessage()), []byte(tellingPart)) {
		t.Errorf("got %s %q, want %s with %q", e.ErrorCode(), e.ErrorMessage(), code, tellingPart)
	}
}

// logText is what was logged. Listeners write to it while tests read.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// captureLog collects what is logged during a test.
func captureLog(t *testing.T) *logText {
	t.Helper()
	text := &logText{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(text, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return text
}
