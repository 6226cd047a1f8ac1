package provisioning_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/platform/platformtest"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// site is the steps of this area over real records and a platform in memory, at a time that stands still.
type site struct {
	*platformtest.Cloud
	records records.Records
	steps   serve.Steps
	now     time.Time
}

// openSite records a cluster of three brokers and one controller whose creation has begun.
func openSite(t *testing.T, change func(*cluster.Spec)) *site {
	t.Helper()
	table := localtest.NewTable(t)
	s := &site{Cloud: platformtest.NewCloud(), records: records.Records{Table: table}, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	s.BootsWithin, s.EndsWithin = 0, 0
	t.Cleanup(s.ShutDown)
	s.steps = provisioning.Steps(provisioning.Deps{
		Records: s.records, Now: func() time.Time { return s.now },
		Platform: provisioning.Platform{
			Addresses: s.Cloud, Volumes: s.Cloud, Hosts: s.Cloud, Secrets: s.Cloud, Zones: s.Cloud,
			Sizing: provisioning.Sizing{HeapMiB: func(string, cluster.Role) int { return 256 }},
		},
	})
	spec := cluster.Spec{
		KafkaVersion: "4.1.x.kraft", Brokers: 3, Controllers: 1, InstanceType: "kafka.m7g.large",
		Subnets: []string{"subnet-c", "subnet-a", "subnet-b"}, VolumeGiB: 100, ClientBroker: cluster.TLS, InCluster: true,
	}
	if change != nil {
		change(&spec)
	}
	op := cluster.Operation{
		ID: "op", ClusterID: "c", Type: cluster.CreateCluster, State: cluster.InProgress, Attempt: 1,
		Deadline: s.now.Add(time.Hour), Steps: cluster.Operation{Type: cluster.CreateCluster}.Plan(),
	}
	c := cluster.Cluster{
		ID: "c", Name: "orders", KafkaID: "MkU3OEVBNTcwNTJENDM2Qg", Spec: spec,
		Active: &cluster.ActiveOperation{ID: op.ID, Type: op.Type},
	}
	if err := s.records.CreateCluster(t.Context(), c, op); err != nil {
		t.Fatal(err)
	}
	return s
}

// call runs a step for the whole cluster, or for one of its nodes.
func (s *site) call(t *testing.T, step string, node int32) (string, error) {
	t.Helper()
	answer, err := s.steps.Invoke(t.Context(), fmt.Appendf(nil,
		`{"step":%q,"clusterId":"c","operationId":"op","nodeId":%d}`, step, node))
	return string(answer), err
}

// do runs steps that go well.
func (s *site) do(t *testing.T, node int32, steps ...string) {
	t.Helper()
	for _, step := range steps {
		if _, err := s.call(t, step, node); err != nil {
			t.Fatalf("%s of node %d: %v", step, node, err)
		}
	}
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	var served *serve.Error
	if !errors.As(err, &served) || served.Code != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// provision brings every node to where its host has said hello.
func (s *site) provision(t *testing.T) {
	t.Helper()
	s.do(t, 0, "PlanCluster")
	for _, n := range s.nodes(t) {
		s.do(t, n.ID, "EnsureAddress", "EnsureVolume", "LaunchHost")
	}
	for _, n := range s.nodes(t) {
		s.beat(t, n, nodespec.Heartbeat{State: nodespec.Waiting})
	}
}

func (s *site) nodes(t *testing.T) []cluster.Node {
	t.Helper()
	nodes, err := s.records.Nodes(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func (s *site) beat(t *testing.T, n cluster.Node, beat nodespec.Heartbeat) {
	t.Helper()
	last, heard, err := s.records.Beat(t.Context(), n.Host.ID)
	if err != nil {
		t.Fatal(err)
	}
	beat.HostID, beat.SigningRequest = n.Host.ID, last.SigningRequest // a host has one key for life
	if !heard {
		beat.SigningRequest = newSigningRequest(t)
	}
	if err := s.records.PutBeat(t.Context(), n.Host.ID, beat); err != nil {
		t.Fatal(err)
	}
}

func newSigningRequest(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func (s *site) specs(t *testing.T) map[int32]nodespec.Spec {
	t.Helper()
	specs := map[int32]nodespec.Spec{}
	for _, n := range s.nodes(t) {
		spec, err := s.records.Spec(t.Context(), n.Host.ID)
		if err != nil {
			t.Fatal(err)
		}
		specs[n.ID] = spec
	}
	return specs
}

func TestPlanCluster_PlansOnce(t *testing.T) {
	s := openSite(t, nil)
	first, err := s.call(t, "PlanCluster", 0)
	if err != nil || first != `{"nodeIds":[1,2,3,1001]}` {
		t.Fatalf("%s, %v", first, err)
	}
	seen := func() string {
		c, err := s.records.Cluster(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{c.Authority, s.nodes(t)})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := seen()
	s.now = s.now.Add(time.Hour)
	if again, err := s.call(t, "PlanCluster", 0); err != nil || again != first || seen() != before {
		t.Errorf("a second plan: %s, %v\n%s\n%s", again, err, before, seen())
	}
}

func TestPlanCluster_MakesAPasswordOnlyForNodesThatTalkPlainly(t *testing.T) {
	for _, tt := range []struct {
		name      string
		inCluster bool
	}{{"by certificates", true}, {"plainly", false}} {
		t.Run(tt.name, func(t *testing.T) {
			s := openSite(t, func(spec *cluster.Spec) { spec.InCluster = tt.inCluster })
			s.provision(t)
			password, err := s.Secret(t.Context(), "c/internal-password")
			if fault.Is(err, fault.NotFound) != tt.inCluster {
				t.Errorf("the password is %q, %v", password, err)
			}
			s.do(t, 0, "PlanCluster", "WriteNodeSpecs")
			if again, _ := s.Secret(t.Context(), "c/internal-password"); again != password {
				t.Errorf("a second plan has made the password %q of %q", again, password)
			}
			for id, spec := range s.specs(t) {
				if !tt.inCluster && !strings.Contains(fmt.Sprint(spec.Properties), password) {
					t.Errorf("node %d does not know the password", id)
				}
			}
		})
	}
}

func TestPlanCluster_MakesOneAuthorityAlsoAfterACrash(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	planned, err := s.records.Cluster(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error { c.Authority = ""; return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, 0, "PlanCluster") // the key is kept, and its certificate was not recorded
	if again, err := s.records.Cluster(t.Context(), "c"); err != nil || again.Authority != planned.Authority {
		t.Errorf("another authority than the one whose key is kept (%v)", err)
	}
}

func TestEnsureVolume_SizesBrokersAsAskedForAndControllersSmall(t *testing.T) {
	s := openSite(t, nil)
	s.provision(t)
	sizes := map[int32]int{}
	for _, n := range s.nodes(t) {
		sizes[n.ID] = n.Volume.SizeGiB
	}
	if want := map[int32]int{1: 100, 2: 100, 3: 100, 1001: 10}; !maps.Equal(sizes, want) {
		t.Errorf("%v, want %v", sizes, want)
	}
}

func TestWriteNodeSpecs_TellsEveryHostAllItNeeds(t *testing.T) {
	s := openSite(t, nil)
	s.provision(t)
	s.do(t, 0, "WriteNodeSpecs")
	specs := s.specs(t)
	for _, n := range s.nodes(t) {
		spec := specs[n.ID]
		if spec.Generation != 1 || n.SpecGeneration != 1 || spec.NodeID != n.ID || spec.Role != nodespec.Role(n.Role) ||
			spec.ClusterID != "MkU3OEVBNTcwNTJENDM2Qg" || spec.Volume.DirectoryID != n.DirectoryID || !spec.Volume.New || spec.Release == "" {
			t.Errorf("%s: %+v", n, spec)
		}
		if want := fmt.Sprintf("1001@%s:%d", s.nodes(t)[3].Address.Name, brokerconfig.ControllerPort); spec.Properties["controller.quorum.voters"] != want {
			t.Errorf("%s: its quorum is %s, want %s", n, spec.Properties["controller.quorum.voters"], want)
		}
		block, _ := pem.Decode([]byte(spec.Certificate))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(spec.Authority))
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "[" + n.Address.IP + "]", CurrentTime: s.now}); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
	if racks := []string{specs[1].Properties["broker.rack"], specs[2].Properties["broker.rack"], specs[3].Properties["broker.rack"]}; !slices.Equal(
		racks, []string{"zone-a", "zone-b", "zone-c"}) {
		t.Errorf("racks %v", racks)
	}
}

// Kafka would be restarted for a new certificate, and an agent tries again for a new generation.
func TestWriteNodeSpecs_OfANextAttemptRaisesTheGenerationAndKeepsTheCertificate(t *testing.T) {
	s := openSite(t, nil)
	s.provision(t)
	s.do(t, 0, "WriteNodeSpecs", "WriteNodeSpecs")
	first := s.specs(t)
	_, _, err := s.records.ChangeOperation(t.Context(), "c", "op", func(_ *cluster.Cluster, op *cluster.Operation) error {
		op.Attempt = 2
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.nodes(t) {
		s.beat(t, n, nodespec.Heartbeat{State: nodespec.Failing})
	}
	s.do(t, 0, "WriteNodeSpecs")
	for id, spec := range s.specs(t) {
		if first[id].Generation != 1 || spec.Generation <= 2 {
			t.Errorf("node %d: generations %d and %d", id, first[id].Generation, spec.Generation)
		}
		if spec.Certificate != first[id].Certificate {
			t.Errorf("node %d has got another certificate", id)
		}
	}
}

// An empty volume of a node that has run is a lost one.
func TestSealVolumes_NoVolumeIsNewOnceItsNodeHasRun(t *testing.T) {
	s := openSite(t, nil)
	s.provision(t)
	s.do(t, 0, "WriteNodeSpecs")
	first := s.specs(t)
	s.do(t, 0, "SealVolumes", "SealVolumes", "WriteNodeSpecs")
	for id, spec := range s.specs(t) {
		if !first[id].Volume.New || spec.Volume.New {
			t.Errorf("node %d: the volume was new: %t; it is: %t", id, first[id].Volume.New, spec.Volume.New)
		}
		if spec.Generation != first[id].Generation+1 {
			t.Errorf("node %d: generations %d and %d", id, first[id].Generation, spec.Generation)
		}
		spec.Generation, spec.Volume.New = first[id].Generation, true
		if !reflect.DeepEqual(spec, first[id]) {
			t.Errorf("node %d would be restarted: %+v", id, spec)
		}
	}
	for _, n := range s.nodes(t) {
		if n.SpecGeneration != s.specs(t)[n.ID].Generation {
			t.Errorf("%s is expected at generation %d", n, n.SpecGeneration)
		}
	}
}

func TestWriteNodeSpecs_CarriesTheCustomersConfiguration(t *testing.T) {
	const arn = "arn:aws:kafka:eu-west-1:000000000000:configuration/ours/11111111-2222-3333-4444-555555555555-2"
	s := openSite(t, nil)
	configuration := cluster.Configuration{ID: "11111111-2222-3333-4444-555555555555-2", Name: "ours", ARN: arn, Latest: cluster.Revision{Number: 1}}
	err := s.records.CreateConfiguration(t.Context(), configuration, cluster.Revision{
		Number: 1, ServerProperties: []byte("log.retention.hours = 7\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error {
		c.Spec.Configuration = &cluster.ConfigurationRef{ARN: arn, Revision: 1}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.provision(t)
	s.do(t, 0, "WriteNodeSpecs")
	for id, spec := range s.specs(t) {
		if spec.Properties["log.retention.hours"] != "7" {
			t.Errorf("node %d keeps records for %q hours", id, spec.Properties["log.retention.hours"])
		}
	}
}

func TestWriteNodeSpecs_RefusesAVersionThatNobodyKnows(t *testing.T) {
	s := openSite(t, func(spec *cluster.Spec) { spec.KafkaVersion = "9.9.9" })
	s.provision(t)
	_, err := s.call(t, "WriteNodeSpecs", 0)
	wantCode(t, err, fault.Invalid)
}

func TestCheckNodesJoined_HearsOnlyWhatIsSaidOfTheLastSpec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which the long poll takes no time
		s := openSite(t, nil)
		s.provision(t)
		s.do(t, 0, "WriteNodeSpecs")
		all := []int32{1, 2, 3}
		for _, n := range s.nodes(t) {
			s.beat(t, n, nodespec.Heartbeat{Generation: 1, State: nodespec.Running, Brokers: all})
		}
		if answer, err := s.call(t, "CheckNodesJoined", 0); err != nil || answer != `{"done":true}` {
			t.Fatalf("%s, %v", answer, err)
		}
		failing := s.nodes(t)[1]
		s.beat(t, failing, nodespec.Heartbeat{Generation: 0, State: nodespec.Failing, FailedStarts: 9, Reason: "of a life before"})
		if answer, err := s.call(t, "CheckNodesJoined", 0); err != nil || !strings.HasPrefix(answer, `{"done":false`) {
			t.Errorf("%s, %v; want that it waited on", answer, err)
		}

		s.beat(t, failing, nodespec.Heartbeat{Generation: 1, State: nodespec.Stopped, Reason: "the volume is another node's"})
		_, err := s.call(t, "CheckNodesJoined", 0)
		wantCode(t, err, fault.Internal)
		if want := "broker 2 does not run: the volume is another node's"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// A name that is asked for too early may be denied for minutes.
func TestCheckNodesJoined_WaitsUntilClientsCanLookBrokersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, nil)
		s.provision(t)
		s.do(t, 0, "WriteNodeSpecs")
		for _, n := range s.nodes(t) {
			s.beat(t, n, nodespec.Heartbeat{Generation: 1, State: nodespec.Running, Brokers: []int32{1, 2, 3}})
		}
		late := s.nodes(t)[1].Address.ID
		s.Named = func(a cluster.Address) bool { return a.ID != late }
		answer, err := s.call(t, "CheckNodesJoined", 0)
		if err != nil || !strings.HasPrefix(answer, `{"done":false,"reason":"broker 2: its name `) {
			t.Errorf("%s, %v; want that it waited on", answer, err)
		}
		s.Named = nil
		if answer, err := s.call(t, "CheckNodesJoined", 0); err != nil || answer != `{"done":true}` {
			t.Errorf("%s, %v", answer, err)
		}
	})
}

// The one step that deletes data looks once more.
func TestRemoveVolume_RefusesUnlessTheClusterIsBeingDeleted(t *testing.T) {
	s := openSite(t, nil)
	s.do(t, 0, "PlanCluster")
	s.do(t, 1, "EnsureAddress", "EnsureVolume")
	volumes := func() int {
		return len(slices.DeleteFunc(s.Left(), func(name string) bool { return name != "vol-c-1" }))
	}
	for _, active := range []*cluster.ActiveOperation{{ID: "op", Type: cluster.CreateCluster}, nil} {
		_, err := s.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error {
			c.Active, c.Ready = active, true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.call(t, "RemoveVolume", 1)
		wantCode(t, err, fault.Unsafe)
		if volumes() != 1 {
			t.Fatalf("the volume is gone; there is %v", s.Left())
		}
	}
	_, err := s.records.ChangeCluster(t.Context(), "c", func(c *cluster.Cluster) error {
		c.Active = &cluster.ActiveOperation{ID: "op", Type: cluster.DeleteCluster}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, 1, "RemoveVolume", "RemoveVolume")
	if volumes() != 0 {
		t.Errorf("there is %v", s.Left())
	}
}

func TestProgress_LeavesAnEndedOperationAlone(t *testing.T) {
	s := openSite(t, nil)
	s.provision(t)
	_, _, err := s.records.ChangeOperation(t.Context(), "c", "op", func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Fail(c, cluster.Failure{Code: "Aborted", Message: "stopped by hand"}, s.now)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, 0, "WriteNodeSpecs") // a call that took too long
	op, err := s.records.Operation(t.Context(), "c", "op")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range op.Steps {
		if step.Status == cluster.StepInProgress {
			t.Errorf("step %s of an operation that has failed is %s", step.Name, step.Status)
		}
	}
}
