package records_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

// fragile is a table that can break before a write, as a process can.
type fragile struct {
	records.Table
	db *bbolt.DB
	// before is asked before every write.
	before func(writes []records.Write) error
}

func (f *fragile) Write(ctx context.Context, writes ...records.Write) error {
	if f.before != nil {
		if err := f.before(writes); err != nil {
			return err
		}
	}
	return f.Table.Write(ctx, writes...)
}

func openRecords(t *testing.T) (records.Records, *fragile) {
	t.Helper()
	table, db := localtest.NewDatabase(t)
	f := &fragile{Table: table, db: db}
	return records.Records{Table: f}, f
}

// left are the keys of everything in the table.
func (f *fragile) left(t *testing.T) []string {
	t.Helper()
	var keys []string
	err := f.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("items")).ForEach(func(k, _ []byte) error {
			keys = append(keys, strings.ReplaceAll(string(k), "\x00", "/"))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newCluster is a cluster with the operation that creates it.
func newCluster(id, name string) (cluster.Cluster, cluster.Operation) {
	op := cluster.Operation{ID: "create-" + id, ClusterID: id, Type: cluster.CreateCluster, State: cluster.Pending, Attempt: 1}
	return cluster.Cluster{ID: id, Name: name, Version: "K1", Active: &cluster.ActiveOperation{ID: op.ID, Type: op.Type}}, op
}

func createCluster(t *testing.T, r records.Records, id, name string) (cluster.Cluster, cluster.Operation) {
	t.Helper()
	c, op := newCluster(id, name)
	if err := r.CreateCluster(t.Context(), c, op); err != nil {
		t.Fatal(err)
	}
	return c, op
}

func unfinished(t *testing.T, r records.Records) []string {
	t.Helper()
	ops, err := r.UnfinishedOperations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, op := range ops {
		ids = append(ids, op.ID)
	}
	return ids
}

func TestCreateCluster_OfFiftyWithOneNameOneIsMade(t *testing.T) {
	r, table := openRecords(t)
	var made, refused atomic.Int32
	var creates sync.WaitGroup
	for i := range 50 {
		creates.Go(func() {
			c, op := newCluster(fmt.Sprintf("id-%d", i), "orders")
			switch err := r.CreateCluster(t.Context(), c, op); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, records.ErrNameTaken) && fault.Is(err, fault.Conflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	creates.Wait()
	if made.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d were made and %d refused", made.Load(), refused.Load())
	}
	if left := table.left(t); len(left) != 4 {
		t.Errorf("the refused ones have left something among %v", left)
	}
}

func TestCluster_IsFoundByItsIdOnly(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	if c, err := r.Cluster(t.Context(), "id-1"); err != nil || c.Name != "orders" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := r.Cluster(t.Context(), "id-2"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
		t.Fatal(err)
	}
	createCluster(t, r, "id-2", "orders")
	if _, err := r.Cluster(t.Context(), "id-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the cluster before, whose name another one has now: %v", err)
	}
}

// A function that was given up may go on for a while, when its operation has been ended and the next one is at work.
func TestForgetCluster_TakesNothingFromALaterOperation(t *testing.T) {
	r, table := openRecords(t)
	_, op := createCluster(t, r, "id-1", "orders")
	later := cluster.Operation{ID: "later", ClusterID: "id-1", Type: cluster.DeleteCluster, State: cluster.InProgress}
	table.before = func([]records.Write) error {
		table.before = nil // in the middle of it
		end := func(c *cluster.Cluster, op *cluster.Operation) error {
			op.Fail(c, cluster.Failure{Code: "Internal", Message: "it was given up"}, time.Now())
			return nil
		}
		if _, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID, end); err != nil {
			return err
		}
		_, err := r.StartOperation(t.Context(), "id-1", later, func(c *cluster.Cluster) error {
			c.Active = &cluster.ActiveOperation{ID: later.ID, Type: later.Type}
			return nil
		})
		return err
	}
	if err := r.ForgetCluster(t.Context(), "id-1"); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	if _, err := r.Operation(t.Context(), "id-1", later.ID); err != nil {
		t.Errorf("the later operation: %v", err)
	}
	if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
		t.Errorf("by the later operation: %v", err)
	}
	if left := table.left(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// Topics may be at work when their cluster goes, and may end before, while, or after its records do.
func TestForgetCluster_TakesTheOperationOfItsTopicsWithIt(t *testing.T) {
	end := func(t *testing.T, r records.Records) func([]records.Write) error {
		return func([]records.Write) error {
			_, _, err := r.ChangeOperation(t.Context(), "id-1", "apply", func(c *cluster.Cluster, op *cluster.Operation) error {
				op.Fail(c, cluster.Failure{Code: "Conflict", Message: "the cluster is being deleted"}, time.Now())
				return nil
			})
			return err
		}
	}
	for moment := range 4 { // it ends before a write of the three, or never
		r, table := openRecords(t)
		_, op := createCluster(t, r, "id-1", "orders")
		createCluster(t, r, "id-2", "payments")
		kept := len(table.left(t)) / 2
		if err := r.AddNodes(t.Context(), []cluster.Node{{ClusterID: "id-1", ID: 1}}); err != nil {
			t.Fatal(err)
		}
		start := func(op cluster.Operation) {
			_, err := r.StartOperation(t.Context(), "id-1", op, func(c *cluster.Cluster) error { op.Claim(c); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			op.Succeed(c, "K2", time.Now())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		start(cluster.Operation{ID: "apply", ClusterID: "id-1", Type: cluster.ApplyTopics, State: cluster.InProgress})
		start(cluster.Operation{ID: "delete", ClusterID: "id-1", Type: cluster.DeleteCluster, State: cluster.InProgress})

		writes := 0
		table.before = func([]records.Write) error {
			if writes++; writes != moment+1 {
				return nil
			}
			table.before = nil
			return end(t, r)(nil)
		}
		if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
			t.Errorf("it ended at write %d: %v", moment, err)
		}
		table.before = nil
		if err := end(t, r)(nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("it ended at write %d, and again when the cluster was gone: %v", moment, err)
		}
		if left := table.left(t); len(left) != kept {
			t.Errorf("it ended at write %d: %v is left", moment, left)
		}
	}
}

func TestClusters_AreListedByNameInPages(t *testing.T) {
	r, _ := openRecords(t)
	for i, name := range []string{"b", "ab", "a", "abc"} {
		createCluster(t, r, fmt.Sprintf("id-%d", i), name)
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 10, []string{"a", "ab", "abc", "b"}},
		{"", "a", 2, []string{"ab", "abc"}},
		{"ab", "", 10, []string{"ab", "abc"}},
		{"x", "", 10, nil},
	} {
		found, err := r.Clusters(t.Context(), tt.prefix, tt.after, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range found {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, tt.want) {
			t.Errorf("%q after %q: %v, want %v", tt.prefix, tt.after, names, tt.want)
		}
	}
}

func TestChangeCluster_LosesNoConcurrentChange(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			_, err := r.ChangeCluster(t.Context(), "id-1", func(c *cluster.Cluster) error {
				if c.Tags == nil {
					c.Tags = map[string]string{}
				}
				c.Tags[fmt.Sprint(i)] = "here"
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if c, err := r.Cluster(t.Context(), "id-1"); err != nil || len(c.Tags) != 8 {
		t.Errorf("%d of 8 changes remain (%v)", len(c.Tags), err)
	}
}

// A Conflict that a change itself gives is its answer, not a reason to try again.
func TestChanges_ThatAreRefusedWriteNothing(t *testing.T) {
	r, table := openRecords(t)
	_, op := createCluster(t, r, "id-1", "orders")
	if err := r.AddNodes(t.Context(), []cluster.Node{{ClusterID: "id-1", ID: 1}}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	refuse := func() error { calls++; return fault.New(fault.Conflict, "no") }
	table.before = func(writes []records.Write) error {
		t.Errorf("wrote %+v", writes)
		return nil
	}
	for name, change := range map[string]func() error{
		"ChangeCluster": func() error {
			_, err := r.ChangeCluster(t.Context(), "id-1", func(*cluster.Cluster) error { return refuse() })
			return err
		},
		"ChangeOperation": func() error {
			_, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID,
				func(*cluster.Cluster, *cluster.Operation) error { return refuse() })
			return err
		},
		"StartOperation": func() error {
			_, err := r.StartOperation(t.Context(), "id-1", cluster.Operation{ID: "next", ClusterID: "id-1"},
				func(*cluster.Cluster) error { return refuse() })
			return err
		},
		"ChangeNode": func() error {
			_, err := r.ChangeNode(t.Context(), "id-1", 1, func(*cluster.Node) error { return refuse() })
			return err
		},
	} {
		calls = 0
		if err := change(); !fault.Is(err, fault.Conflict) || calls != 1 {
			t.Errorf("%s: %v after %d calls", name, err, calls)
		}
	}
}

func TestOperations_AreUnfinishedUntilTheyEndAndAgainWhenTheyAreTriedAgain(t *testing.T) {
	r, _ := openRecords(t)
	_, op := createCluster(t, r, "id-1", "orders")
	for _, tt := range []struct {
		state cluster.OperationState
		want  []string
	}{
		{cluster.Pending, []string{op.ID}},
		{cluster.InProgress, []string{op.ID}},
		{cluster.OperationFailed, nil},
		{cluster.Pending, []string{op.ID}},
		{cluster.Complete, nil},
	} {
		_, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID, func(_ *cluster.Cluster, op *cluster.Operation) error {
			op.State = tt.state
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := unfinished(t, r); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.state, got, tt.want)
		}
	}
}

func TestChangeOperation_ChangesTheClusterInTheSameWrite(t *testing.T) {
	r, table := openRecords(t)
	_, op := createCluster(t, r, "id-1", "orders")
	table.before = func([]records.Write) error { return fault.New(fault.Unavailable, "the power is out") }
	end := func() error {
		_, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			op.State, c.Version = cluster.Complete, "K2"
			return nil
		})
		return err
	}
	see := func() string {
		c, err := r.Cluster(t.Context(), "id-1")
		if err != nil {
			t.Fatal(err)
		}
		op, err := r.Operation(t.Context(), "id-1", op.ID)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(c.Version, " ", op.State)
	}
	if err := end(); !fault.Is(err, fault.Unavailable) || see() != "K1 PENDING" {
		t.Errorf("a write that failed: %v, %s", err, see())
	}
	table.before = nil
	if err := end(); err != nil || see() != "K2 UPDATE_COMPLETE" {
		t.Errorf("%v, %s", err, see())
	}
}

func TestStartOperation_OfTwoAtOnceOneIsAdmitted(t *testing.T) {
	r, _ := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	if _, err := r.ChangeCluster(t.Context(), "id-1", func(c *cluster.Cluster) error { c.Active = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	var admitted atomic.Int32
	var starts sync.WaitGroup
	for i := range 8 {
		starts.Go(func() {
			op := cluster.Operation{ID: fmt.Sprintf("delete-%d", i), ClusterID: "id-1", Type: cluster.DeleteCluster, State: cluster.Pending}
			_, err := r.StartOperation(t.Context(), "id-1", op, func(c *cluster.Cluster) error {
				if c.Active != nil {
					return fault.New(fault.Conflict, "held by %s", c.Active.ID)
				}
				c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
				return nil
			})
			switch {
			case err == nil:
				admitted.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	starts.Wait()
	if got := unfinished(t, r); admitted.Load() != 1 || len(got) != 2 { // the create of this cluster never ended
		t.Errorf("%d were admitted; unfinished are %v", admitted.Load(), got)
	}
}

// A crash at any write leaves a cluster that is still there, that the sweep still finds, and that can be forgotten again.
func TestForgetCluster_MayBeCutShortAnywhere(t *testing.T) {
	for survived, n := false, 1; !survived; n++ {
		r, table := openRecords(t)
		_, op := createCluster(t, r, "id-1", "orders")
		if err := r.AddNodes(t.Context(), []cluster.Node{{ClusterID: "id-1", ID: 1}, {ClusterID: "id-1", ID: 1001}}); err != nil {
			t.Fatal(err)
		}
		_, _, err := r.ChangeOperation(t.Context(), "id-1", op.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
			op.State, c.Active = cluster.Complete, nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		remove := cluster.Operation{ID: "delete", ClusterID: "id-1", Type: cluster.DeleteCluster, State: cluster.InProgress}
		if _, err := r.StartOperation(t.Context(), "id-1", remove, func(c *cluster.Cluster) error {
			c.Active = &cluster.ActiveOperation{ID: remove.ID, Type: remove.Type}
			return nil
		}); err != nil {
			t.Fatal(err)
		}

		writes := 0
		table.before = func([]records.Write) error {
			if writes++; writes == n {
				return fault.New(fault.Unavailable, "the power is out")
			}
			return nil
		}
		if err := r.ForgetCluster(t.Context(), "id-1"); err != nil {
			if _, err := r.Cluster(t.Context(), "id-1"); err != nil {
				t.Errorf("cut short at write %d: %v", n, err)
			}
			if got := unfinished(t, r); !slices.Equal(got, []string{"delete"}) {
				t.Errorf("cut short at write %d, the sweep finds %v", n, got)
			}
			table.before = nil
			err = r.ForgetCluster(t.Context(), "id-1")
			if err != nil {
				t.Errorf("again after a crash at write %d: %v", n, err)
			}
		} else {
			survived = true
		}
		if left := table.left(t); len(left) > 0 {
			t.Errorf("crash at write %d: %v is left", n, left)
		}
	}
}

func TestUnfinishedOperations_MayBeDeletedMeanwhile(t *testing.T) {
	r, table := openRecords(t)
	createCluster(t, r, "id-1", "orders")
	_, other := createCluster(t, r, "id-2", "payments")
	// Between the reading of the pointers and of the operations: only the operation goes here.
	err := table.Table.Write(t.Context(), records.Write{
		Key: records.Key{Partition: "operations#id-1", Sort: "create-id-1"}, Delete: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := unfinished(t, r); !slices.Equal(got, []string{other.ID}) {
		t.Errorf("%v", got)
	}
}

func TestNodes_ArePlannedOnceAndListedBrokersFirst(t *testing.T) {
	r, _ := openRecords(t)
	plan := func(rack string) {
		t.Helper()
		err := r.AddNodes(t.Context(), []cluster.Node{
			{ClusterID: "c", ID: 1001, Rack: rack}, {ClusterID: "c", ID: 2, Rack: rack}, {ClusterID: "c", ID: 10, Rack: rack},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	plan("first")
	plan("second")
	nodes, err := r.Nodes(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range nodes {
		got = append(got, fmt.Sprintf("%d@%s", n.ID, n.Rack))
	}
	if want := []string{"2@first", "10@first", "1001@first"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := r.Node(t.Context(), "c", 7); !fault.Is(err, fault.NotFound) {
		t.Errorf("a node that is not there: %v", err)
	}
}

func TestSpecs_OnlyEverGoForward(t *testing.T) {
	r, _ := openRecords(t)
	if _, err := r.Spec(t.Context(), "h-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a host without a spec: %v", err)
	}
	for _, tt := range []struct {
		generation int64
		name, want string
	}{
		{1, "first", "first"},
		{1, "first, written again", "first"},
		{3, "third", "third"},
		{2, "second, late", "third"},
	} {
		if err := r.PutSpec(t.Context(), "h-1", nodespec.Spec{Generation: tt.generation, Cluster: tt.name}); err != nil {
			t.Fatal(err)
		}
		if spec, err := r.Spec(t.Context(), "h-1"); err != nil || spec.Cluster != tt.want {
			t.Errorf("after %q: %q, %v; want %q", tt.name, spec.Cluster, err, tt.want)
		}
	}
}

func TestMailbox_WakesWhoWaitsAndForgetsAHostWhole(t *testing.T) {
	r, table := openRecords(t)
	beats, stopBeats := r.WatchBeats()
	defer stopBeats()
	specs, stopSpecs := r.WatchSpec("h-1")
	defer stopSpecs()
	if _, ok, err := r.Beat(t.Context(), "h-1"); ok || err != nil {
		t.Errorf("a host that was never heard of: %t, %v", ok, err)
	}
	if err := r.PutBeat(t.Context(), "h-1", nodespec.Heartbeat{State: nodespec.Running, SigningRequest: "mine"}); err != nil {
		t.Fatal(err)
	}
	if err := r.PutNews(t.Context(), "h-1", nodespec.Heartbeat{State: nodespec.Running}); err != nil {
		t.Fatal(err)
	}
	if err := r.PutSpec(t.Context(), "h-1", nodespec.Spec{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	for _, changed := range []<-chan struct{}{beats, specs} {
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Error("no signal within a minute")
		}
	}
	if beat, ok, err := r.Beat(t.Context(), "h-1"); !ok || err != nil || beat.State != nodespec.Running || beat.SigningRequest != "mine" {
		t.Errorf("%+v, %t, %v", beat, ok, err)
	}
	for range 2 {
		if err := r.ForgetHost(t.Context(), "h-1"); err != nil {
			t.Error(err)
		}
	}
	if left := table.left(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestMailbox_ASigningRequestStaysWithHeartbeatsThatDoNotRepeatIt(t *testing.T) {
	r, _ := openRecords(t)
	if err := r.PutSigningRequest(t.Context(), "h-1", nodespec.Heartbeat{SigningRequest: "first"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Beat(t.Context(), "h-1"); ok || err != nil {
		t.Errorf("a request alone is no heartbeat: %t, %v", ok, err)
	}
	for _, tt := range []struct{ sent, want string }{{"", "first"}, {"second", "second"}, {"", "second"}} {
		if err := r.PutBeat(t.Context(), "h-1", nodespec.Heartbeat{HostID: "h-1", SigningRequest: tt.sent}); err != nil {
			t.Fatal(err)
		}
		beat, ok, err := r.Beat(t.Context(), "h-1")
		if !ok || err != nil || beat.SigningRequest != tt.want || beat.HostID != "h-1" {
			t.Errorf("after a heartbeat with %q: %+v, %t, %v; want %q", tt.sent, beat, ok, err, tt.want)
		}
	}
}

// A host on AWS may make single unconditional writes to its own beat partition, and read its own spec: nothing else.
func TestMailbox_HostsWithARoleHavePartitionsThatIAMCanTell(t *testing.T) {
	r, table := openRecords(t)
	r.HostRole = "AROAEXAMPLE"
	var written []string
	table.before = func(writes []records.Write) error {
		if len(writes) != 1 || writes[0].If != records.Always() {
			t.Errorf("%+v is not a single unconditional write", writes)
		}
		if week := time.Date(2026, 12, 4, 12, 0, 0, 0, time.UTC); !writes[0].Expires.Equal(week) {
			t.Errorf("%v expires %v, want %v", writes[0].Key, writes[0].Expires, week)
		}
		written = append(written, writes[0].Key.Partition+"/"+writes[0].Key.Sort)
		return nil
	}
	beat := nodespec.Heartbeat{HostID: "i-1", At: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	if err := errors.Join(
		r.PutSigningRequest(t.Context(), "i-1", beat),
		r.PutBeat(t.Context(), "i-1", beat),
		r.PutNews(t.Context(), "i-1", beat),
	); err != nil {
		t.Fatal(err)
	}
	want := []string{"beat#AROAEXAMPLE:i-1/request", "beat#AROAEXAMPLE:i-1/last", "beat#AROAEXAMPLE:i-1/news"}
	if !slices.Equal(written, want) {
		t.Errorf("written: %v, want %v", written, want)
	}

	table.before = nil
	if err := r.PutSpec(t.Context(), "i-1", nodespec.Spec{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	if left := table.left(t); !slices.Contains(left, "spec#AROAEXAMPLE:i-1/only") {
		t.Errorf("no spec in %v", left)
	}
	if err := r.ForgetHost(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	if left := table.left(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestHostOfBeat(t *testing.T) {
	for _, tt := range []struct {
		partition, want string
		ok              bool
	}{
		{"beat#AROAEXAMPLE:i-1", "i-1", true},
		{"beat#h-1", "h-1", true},
		{"spec#AROAEXAMPLE:i-1", "", false},
		{"clusters", "", false},
	} {
		if hostID, ok := records.HostOfBeat(tt.partition); ok != tt.ok || hostID != tt.want {
			t.Errorf("%s: %q, %t; want %q, %t", tt.partition, hostID, ok, tt.want, tt.ok)
		}
	}
}
