package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

func TestStorage_IsShownForPeople(t *testing.T) {
	growth := client.Growth{
		Cause: "request",
		Volumes: []client.VolumeChange{
			{NodeID: 1, FromGiB: 100, ToGiB: 200}, {NodeID: 2, FromGiB: 110, ToGiB: 200, ToThroughputMiB: 250}, {NodeID: 3, FromGiB: 100, ToGiB: 200},
		},
		Operation: client.Operation{
			State: cluster.InProgress, StartedAt: noon, Percent: 16,
			Steps: []client.Step{{Name: cluster.StepGrowVolumes, Status: cluster.StepInProgress, Detail: "1 of 3 volumes have 200 GiB"}},
		},
	}
	var out strings.Builder
	err := writeStorage(&out, client.Storage{
		Name: "demo", State: cluster.Updating, VolumeGiB: 100,
		Autoscaling: &cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 500},
		Brokers: []client.BrokerStorage{
			{ID: 1, Zone: "use1-az1", Volume: "vol-1", VolumeGiB: 100, UsedBytes: new(int64(45 << 30)), UsedPercent: new(45.04), SeenAt: new(noon)},
			{ID: 2, Zone: "use1-az2", Volume: "vol-2", Volumes: []string{"vol-2", "vol-2b"}, VolumeGiB: 110, ThroughputMiB: 250},
			{ID: 3, Zone: "use1-az3", VolumeGiB: 100},
		},
		Growing: &growth,
		Growths: []client.Growth{
			growth,
			{
				Cause: "autoscaling", Volumes: []client.VolumeChange{{NodeID: 1, FromGiB: 100, ToGiB: 100, FromThroughputMiB: 250}},
				Operation: client.Operation{State: cluster.OperationFailed, StartedAt: noon, Failure: &client.Failure{Code: "Conflict", Message: "no volume was changed"}},
			},
			{
				Cause: "merging", Volumes: []client.VolumeChange{{NodeID: 1, FromGiB: 100, ToGiB: 100}, {NodeID: 2, FromGiB: 100, ToGiB: 100}},
				Operation: client.Operation{State: cluster.Complete, StartedAt: noon},
			},
			{
				Cause: "healing", Reason: "99 % are used", Volumes: []client.VolumeChange{{NodeID: 2, ToGiB: 110}},
				Operation: client.Operation{State: cluster.Complete, StartedAt: noon},
			},
		},
	})
	const want = `Cluster:      demo
State:        UPDATING
Volumes:      100 GiB each, or more
Autoscaling:  all volumes grow when the fullest is 60% full, up to 500 GiB
Growing:      brokers 1,3: 100 → 200 GiB; broker 2: 110 → 200 GiB, 125 → 250 MiB/s; 16%, GROW_VOLUMES: 1 of 3 volumes have 200 GiB

BROKER  ZONE      GIB  USED-GIB  FULL   MIB/S  SEEN                 VOLUME
1       use1-az1  100  45.00     45.0%  -      2026-09-20 12:00:00  vol-1
2       use1-az2  110  -         -      250    -                    vol-2 + vol-2b
3       use1-az3  100  -         -      -      -                    -

BEGUN                CAUSE        STATE               GROWTH                                                                DETAIL
2026-09-20 12:00:00  request      UPDATE_IN_PROGRESS  brokers 1,3: 100 → 200 GiB; broker 2: 110 → 200 GiB, 125 → 250 MiB/s  -
2026-09-20 12:00:00  autoscaling  UPDATE_FAILED       broker 1: 250 → 125 MiB/s                                             Conflict: no volume was changed
2026-09-20 12:00:00  merging      UPDATE_COMPLETE     brokers 1,2: 100 GiB as before                                        -
2026-09-20 12:00:00  healing      UPDATE_COMPLETE     broker 2: to 110 GiB                                                  99 % are used
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
	out.Reset()
	atMost := &cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 50}
	if err := writeStorage(&out, client.Storage{Name: "demo", VolumeGiB: 100, Autoscaling: atMost}); err != nil || !strings.Contains(out.String(),
		"Autoscaling:  all volumes grow when the fullest is 60% full, up to 50 GiB, which they have: so they grow no more\n") {
		t.Errorf("%v, got:\n%s", err, out.String())
	}
	out.Reset()
	if err := writeStorage(&out, client.Storage{Name: "demo", VolumeGiB: 100}); err != nil || !strings.Contains(out.String(), "Autoscaling:  off\n") ||
		!strings.HasSuffix(out.String(), "\nNo volume has grown so far.\n") {
		t.Errorf("%v, got:\n%s", err, out.String())
	}
}

// growing waits until volumes are growing, and changes the operation.
func (d *deployment) growing(change func(c *cluster.Cluster, op *cluster.Operation)) {
	d.t.Helper()
	d.underWay(cluster.UpdateBrokerStorage, change)
}

func (d *deployment) isAiling() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ails) > 0
}

func TestStorage_GrowsAndIsWaitedFor(t *testing.T) {
	d := deploy(t)
	c := d.activeCluster()
	if err := d.records.PutBeat(t.Context(), "i-1", nodespec.Heartbeat{
		At: time.Now(), State: nodespec.Running, Disk: &nodespec.Disk{TotalBytes: 100 << 30, UsedBytes: 58 << 30},
	}); err != nil {
		t.Fatal(err)
	}
	if out := d.succeeds(ada, "storage", "show", "demo"); !strings.Contains(out, "Volumes:      100 GiB each\n") || !strings.Contains(out, "58.00     58.0%") {
		t.Errorf("shown is:\n%s", out)
	}

	grow := d.start("storage", "grow", "demo", "--to", "200")
	d.growing(func(_ *cluster.Cluster, op *cluster.Operation) {
		op.Advance(cluster.StepGrowVolumes, 50, "0 of 1 volumes have 200 GiB")
	})
	grow.untilItSays("GROW_VOLUMES: 0 of 1 volumes have 200 GiB\n")
	if !d.saw("/iam/{proxy+} PUT /iam/v1/clusters/" + url.QueryEscape(c.ARN) + "/nodes/storage") {
		t.Errorf("it came as %v", d.came)
	}
	for _, command := range [][]string{{"status"}, {"clusters", "describe", "demo"}, {"storage", "show", "demo"}} {
		if out := d.succeeds(ada, command...); !strings.Contains(out, "GROW_VOLUMES: 0 of 1 volumes have 200 GiB") {
			t.Errorf("meanwhile %v shows:\n%s", command, out)
		}
	}
	again := d.start("storage", "grow", "demo", "--to", "200", "--output", "json")
	again.untilItSays("GROW_VOLUMES: 0 of 1 volumes have 200 GiB\n")
	if said := d.fails(ada, "storage", "grow", "demo", "--to", "300"); !strings.Contains(said, "You can't update cluster in UPDATING state. "+
		"Its volumes are being changed already; see: millrace storage show demo") {
		t.Errorf("another size: %q", said)
	}
	// Whoever waits takes no trouble on the way for an answer.
	d.mu.Lock()
	d.ails = []int{http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout}
	d.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); d.isAiling() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
	}
	d.growing(func(c *cluster.Cluster, op *cluster.Operation) { op.Succeed(c, "K3", time.Now()) })
	if err := grow.command.Wait(); err != nil || !strings.Contains(grow.stdout.said(), "The volume of every broker of demo has 200 GiB; it took ") {
		t.Errorf("grown: %v\n%s%s", err, grow.stdout.said(), grow.stderr.said())
	}
	var op client.Operation
	if err := again.command.Wait(); err != nil || json.Unmarshal([]byte(again.stdout.said()), &op) != nil ||
		op.Type != cluster.UpdateBrokerStorage || op.State != cluster.Complete {
		t.Errorf("as JSON: %v\n%s%s", err, again.stdout.said(), again.stderr.said())
	}
	if out := d.succeeds(ada, "storage", "show", "demo"); !strings.Contains(out, "request  UPDATE_COMPLETE  broker 1: 100 → 200 GiB") {
		t.Errorf("afterwards is shown:\n%s", out)
	}
	if said := d.fails(ada, "storage", "grow", "demo", "--to", "150"); !strings.Contains(said, "The volume of each broker has 200 GiB, and volumes never shrink") {
		t.Errorf("a shrink: %q", said)
	}
}

func TestStorage_GoesOnGrowingWhenNobodyWaits(t *testing.T) {
	d := deploy(t)
	d.activeCluster()
	waits := d.start("storage", "grow", "demo", "--to", "200", "--broker", "1")
	d.growing(func(_ *cluster.Cluster, op *cluster.Operation) { op.Advance(cluster.StepGrowVolumes, 10, "begun") })
	waits.untilItSays("GROW_VOLUMES: begun")
	if err := waits.command.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	const goesOn = "millrace: the volumes of demo go on growing; see how with: millrace storage show demo --endpoint " + remoteURL
	if err := waits.command.Wait(); err == nil || !strings.Contains(waits.stderr.said(), goesOn) {
		t.Errorf("interrupted: %v, it says %q", err, waits.stderr.said())
	}
	waits = d.start("storage", "grow", "demo", "--to", "200", "--broker", "1")
	waits.untilItSays("GROW_VOLUMES: begun")
	d.growing(func(c *cluster.Cluster, op *cluster.Operation) {
		op.Fail(c, cluster.Failure{Code: "Conflict", Message: "no volume was changed"}, time.Now())
	})
	if err := waits.command.Wait(); err == nil || !strings.Contains(waits.stderr.said(), "the volumes of demo did not grow: Conflict: no volume was changed; a volume that has grown stays so") {
		t.Errorf("failed: %v, it says %q", err, waits.stderr.said())
	}
}
