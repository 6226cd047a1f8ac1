package records_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

// ours is a configuration as the API makes it.
var ours = cluster.Configuration{
	ID:            "11111111-2222-3333-4444-555555555555-2",
	Name:          "ours",
	ARN:           "arn:aws:kafka:eu-west-1:123456789012:configuration/ours/11111111-2222-3333-4444-555555555555-2",
	CreatedAt:     time.Date(2026, 9, 20, 12, 0, 0, 123e6, time.UTC),
	KafkaVersions: []string{"4.1.x.kraft"},
	Latest:        cluster.Revision{Number: 1},
}

func TestConfigurations_KeepTheTextByteForByte(t *testing.T) {
	r := newConfigurations(t)
	text := []byte("# h\xe9\r\nnum.partitions = 3\x00\n")
	create(t, r, ours, cluster.Revision{Number: 1, ServerProperties: text})

	got, err := r.Revision(t.Context(), ours.ID, 1)
	if err != nil || string(got.ServerProperties) != string(text) {
		t.Errorf("got %q (%v), want %q", got.ServerProperties, err, text)
	}
	c, err := r.Configuration(t.Context(), ours.ID)
	if err != nil || c.ARN != ours.ARN || !c.CreatedAt.Equal(ours.CreatedAt) {
		t.Errorf("got %+v (%v)", c, err)
	}
}

func TestConfigurations_NamesAreTakenOnce(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	other := ours
	other.ID = "99999999-2222-3333-4444-555555555555-2"
	err := r.CreateConfiguration(t.Context(), other, cluster.Revision{Number: 1})
	if !errors.Is(err, records.ErrNameTaken) || !fault.Is(err, fault.Conflict) {
		t.Errorf("a second of the same name: %v", err)
	}
	if _, err := r.Configuration(t.Context(), other.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the refused one left a trace: %v", err)
	}
}

func TestConfigurations_ConcurrentRevisionsHaveNoGaps(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			if _, err := r.AppendRevision(t.Context(), ours.ID, func(cluster.Configuration, *cluster.Revision) error {
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	revisions, err := r.Revisions(t.Context(), ours.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int64
	for _, revision := range revisions {
		numbers = append(numbers, revision.Number)
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(numbers, want) {
		t.Errorf("got %v, want %v", numbers, want)
	}
	if c, err := r.Configuration(t.Context(), ours.ID); err != nil || c.Latest.Number != 9 {
		t.Errorf("the latest is %d (%v), want 9", c.Latest.Number, err)
	}
}

func TestConfigurations_ARefusedRevisionLeavesNothing(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	refusal := fault.New(fault.Conflict, "no more revisions") // a Conflict of the caller's own is not a contended write
	calls := 0
	_, err := r.AppendRevision(t.Context(), ours.ID, func(cluster.Configuration, *cluster.Revision) error {
		calls++
		return refusal
	})
	if !errors.Is(err, refusal) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	if _, err := r.Revision(t.Context(), ours.ID, 2); !fault.Is(err, fault.NotFound) {
		t.Errorf("revision 2: %v", err)
	}
}

func TestConfigurations_AreListedByNameInPages(t *testing.T) {
	r := newConfigurations(t)
	for _, name := range []string{"b", "c", "a"} {
		c := ours
		c.ID, c.Name = name, name
		create(t, r, c, cluster.Revision{Number: 1})
	}
	first, err := r.Configurations(t.Context(), "", 2)
	if err != nil || len(first) != 2 || first[0].Name != "a" || first[1].Name != "b" {
		t.Fatalf("got %v (%v)", first, err)
	}
	rest, err := r.Configurations(t.Context(), "b", 2)
	if err != nil || len(rest) != 1 || rest[0].Name != "c" {
		t.Errorf("got %v (%v)", rest, err)
	}
}

func TestForgetConfiguration_LeavesNothingBehind(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	if err := r.ForgetConfiguration(t.Context(), ours.ID, allow); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Configuration(t.Context(), ours.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("the configuration: %v", err)
	}
	if left, err := r.Revisions(t.Context(), ours.ID, 0, 100); err != nil || len(left) > 0 {
		t.Errorf("revisions: %v (%v)", left, err)
	}
	if err := r.ForgetConfiguration(t.Context(), ours.ID, allow); !fault.Is(err, fault.NotFound) {
		t.Errorf("a second time: %v", err)
	}
	create(t, r, ours, cluster.Revision{Number: 1}) // the name is free again
}

func TestForgetConfiguration_KeepsWhatIsObjectedTo(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	refusal := fault.New(fault.Invalid, "in use")
	err := r.ForgetConfiguration(t.Context(), ours.ID, func(cluster.Configuration) error { return refusal })
	if !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Revision(t.Context(), ours.ID, 1); err != nil {
		t.Error(err)
	}
}

func TestForgetConfiguration_SeesAClusterThatIsCreatedMeanwhile(t *testing.T) {
	r := newConfigurations(t)
	create(t, r, ours, cluster.Revision{Number: 1})
	inUse := fault.New(fault.Invalid, "in use")
	looks := 0
	err := r.ForgetConfiguration(t.Context(), ours.ID, func(cluster.Configuration) error {
		looks++
		clusters, err := r.AllClusters(t.Context())
		if err != nil {
			return err
		}
		if len(clusters) > 0 {
			return inUse
		}
		return r.CreateCluster(t.Context(), demo(), cluster.Operation{ID: "op", ClusterID: "demo-1"})
	})
	if !errors.Is(err, inUse) || looks != 2 {
		t.Errorf("got %v after %d looks, want the refusal after 2", err, looks)
	}
}

func TestCreateCluster_NeedsItsConfiguration(t *testing.T) {
	r := newConfigurations(t)
	op := cluster.Operation{ID: "op", ClusterID: "demo-1"}
	if err := r.CreateCluster(t.Context(), demo(), op); !fault.Is(err, fault.NotFound) {
		t.Errorf("without the configuration: %v", err)
	}
	if _, err := r.Cluster(t.Context(), "demo-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the refused cluster left a trace: %v", err)
	}
	create(t, r, ours, cluster.Revision{Number: 1})
	if err := r.CreateCluster(t.Context(), demo(), op); err != nil {
		t.Error(err)
	}
	if err := r.CreateCluster(t.Context(), demo(), op); !errors.Is(err, records.ErrNameTaken) {
		t.Errorf("a second of the same name: %v", err)
	}
	if c, err := r.Configuration(t.Context(), ours.ID); err != nil || c.Latest.Number != 1 {
		t.Errorf("attaching changed the configuration: %+v (%v)", c, err)
	}
}

// demo is a cluster on our configuration.
func demo() cluster.Cluster {
	return cluster.Cluster{
		ID:   "demo-1",
		Name: "demo",
		Spec: cluster.Spec{Configuration: &cluster.ConfigurationRef{ARN: ours.ARN, Revision: 1}},
	}
}

func allow(cluster.Configuration) error { return nil }

func create(t *testing.T, r records.Records, c cluster.Configuration, first cluster.Revision) {
	t.Helper()
	if err := r.CreateConfiguration(t.Context(), c, first); err != nil {
		t.Fatal(err)
	}
}

// newConfigurations gives empty records in a file of their own.
func newConfigurations(t *testing.T) records.Records {
	t.Helper()
	table := localtest.NewTable(t)
	return records.Records{Table: table}
}
