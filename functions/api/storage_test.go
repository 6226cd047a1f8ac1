package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// storageDesk is a front desk with a cluster whose three brokers have volumes of 100 GiB, and hosts that can use throughput.
type storageDesk struct {
	*frontDesk
	c cluster.Cluster
}

func openStorageDesk(t *testing.T) *storageDesk {
	t.Helper()
	desk := &storageDesk{frontDesk: openFrontDesk(t)}
	desk.c = desk.activeCluster(t, "orders")
	for id := range int32(3) {
		desk.hasVolume(t, id+1, 100)
	}
	desk.change(t, func(c *cluster.Cluster) { c.Spec.InstanceType = "kafka.m7g.4xlarge" })
	return desk
}

func (d *storageDesk) hasVolume(t *testing.T, broker int32, gib int) {
	t.Helper()
	if _, err := d.records.ChangeNode(t.Context(), d.c.ID, broker, func(n *cluster.Node) error {
		n.Volume = &cluster.Volume{ID: fmt.Sprintf("vol-%d", broker), SizeGiB: gib}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// hasPolicy lets volumes grow by themselves.
func (d *storageDesk) hasPolicy(t *testing.T) {
	t.Helper()
	d.scaling(t, func(s *cluster.StorageScaling) {
		s.Target = &cluster.ScalableTarget{ARN: "arn:target", MinGiB: 1, MaxGiB: 500}
		s.PutPolicy(cluster.StoragePolicy{Name: "p", ARN: "arn:policy", Configuration: json.RawMessage(`{}`), TargetPercent: 60})
	})
}

func (d *storageDesk) scaling(t *testing.T, change func(*cluster.StorageScaling)) {
	t.Helper()
	if _, err := d.records.ChangeStorageScaling(t.Context(), d.c.ID, func(s *cluster.StorageScaling) error {
		change(s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (d *storageDesk) change(t *testing.T, edit func(*cluster.Cluster)) {
	t.Helper()
	c, err := d.records.ChangeCluster(t.Context(), d.c.ID, func(c *cluster.Cluster) error {
		edit(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.c = c
}

// update asks for volumes by the version that the cluster has now.
func (d *storageDesk) update(t *testing.T, volumes ...types.BrokerEBSVolumeInfo) (string, error) {
	t.Helper()
	out, err := d.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
		ClusterArn: &d.c.ARN, CurrentVersion: &d.c.Version, TargetBrokerEBSVolumeInfo: volumes,
	})
	if err != nil {
		return "", err
	}
	if *out.ClusterArn != d.c.ARN {
		t.Errorf("answered %+v", out)
	}
	return *out.ClusterOperationArn, nil
}

// grown ends the growth that is under way, as its machine would.
func (d *storageDesk) grown(t *testing.T) cluster.Operation {
	t.Helper()
	c := d.recorded(t, "orders")
	c, op, err := d.records.ChangeOperation(t.Context(), c.ID, c.Growing.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, "K"+op.ID, time.Now())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range op.Storage.Volumes {
		if _, err := d.records.ChangeNode(t.Context(), c.ID, v.NodeID, func(n *cluster.Node) error {
			n.Volume.Reshape(v.Wanted())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	d.c = c
	return op
}

// grows has an operation grow every volume, as storage autoscaling begins it.
func (d *storageDesk) grows(t *testing.T, automatic bool, gib int) cluster.Operation {
	t.Helper()
	return d.changes(t, cluster.StorageChange{Automatic: automatic}, gib)
}

// changes has an operation change every volume.
func (d *storageDesk) changes(t *testing.T, change cluster.StorageChange, gib int) cluster.Operation {
	t.Helper()
	id, err := cluster.NewOperationID(d.deps.Now(), d.deps.Random)
	if err != nil {
		t.Fatal(err)
	}
	from, to := cluster.VolumeShape{SizeGiB: d.c.Spec.VolumeGiB}, cluster.VolumeShape{SizeGiB: gib}
	change.Every = to
	for broker := range int32(3) {
		change.Volumes = append(change.Volumes, cluster.VolumeChange{NodeID: broker + 1, From: from, To: to})
	}
	op := cluster.Operation{
		ID: id, ClusterID: d.c.ID, ARN: d.c.OperationARN(id), Type: cluster.UpdateBrokerStorage, State: cluster.InProgress,
		CreatedAt: d.deps.Now(), Attempt: 1, Storage: &change,
	}
	op.Steps = op.Plan()
	if _, err := d.records.StartOperation(t.Context(), d.c.ID, op, func(c *cluster.Cluster) error {
		op.Claim(c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return op
}

func volumeOf(broker string, gib int32) types.BrokerEBSVolumeInfo {
	return types.BrokerEBSVolumeInfo{KafkaBrokerNodeId: &broker, VolumeSizeGB: &gib}
}

func throughput(miB int32) *types.ProvisionedThroughput {
	return &types.ProvisionedThroughput{Enabled: aws.Bool(true), VolumeThroughput: &miB}
}

func fast(broker string, miB int32) types.BrokerEBSVolumeInfo {
	return types.BrokerEBSVolumeInfo{KafkaBrokerNodeId: &broker, ProvisionedThroughput: throughput(miB)}
}

func TestUpdateBrokerStorage_RecordsWhatChangesAndStartsTheMachine(t *testing.T) {
	desk := openStorageDesk(t)
	version := desk.c.Version
	all := volumeOf("aLL", 200)
	all.ProvisionedThroughput = throughput(500)
	arn, err := desk.update(t, all)
	if err != nil {
		t.Fatal(err)
	}

	c := desk.recorded(t, "orders")
	if want := fmt.Sprintf("update-broker-storage %s-1", c.Growing.ID); desk.workflows.started[len(desk.workflows.started)-1] != want {
		t.Errorf("started %v, want %s", desk.workflows.started, want)
	}
	during := desk.describe(t, c.ARN)
	if during.State != "UPDATING" || aws.ToString(during.ActiveOperationArn) != arn || *during.CurrentVersion != version ||
		*during.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize != 100 {
		t.Errorf("meanwhile the cluster is %+v", during)
	}
	one, err := desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	two, err := desk.DescribeClusterOperationV2(t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	list, err := desk.ListClusterOperations(t.Context(), &kafka.ListClusterOperationsInput{ClusterArn: &c.ARN})
	if err != nil {
		t.Fatal(err)
	}
	first, listed := one.ClusterOperationInfo, list.ClusterOperationInfoList[0]
	if *first.OperationType != "UPDATE_BROKER_STORAGE" || first.ClientRequestId == nil || *listed.OperationArn != arn {
		t.Errorf("the operation is %+v", first)
	}
	for _, shown := range []struct{ from, to *types.MutableClusterInfo }{
		{first.SourceClusterInfo, first.TargetClusterInfo},
		{listed.SourceClusterInfo, listed.TargetClusterInfo},
		{two.ClusterOperationInfo.Provisioned.SourceClusterInfo, two.ClusterOperationInfo.Provisioned.TargetClusterInfo},
	} {
		if got, want := volumesIn(shown.from), "1: 100 GiB, slow; 2: 100 GiB, slow; 3: 100 GiB, slow"; got != want {
			t.Errorf("the source is %q, want %q", got, want)
		}
		if got, want := volumesIn(shown.to), "1: 200 GiB, 500 MiB/s; 2: 200 GiB, 500 MiB/s; 3: 200 GiB, 500 MiB/s"; got != want {
			t.Errorf("the target is %q, want %q", got, want)
		}
	}

	desk.grown(t)
	after := desk.describe(t, c.ARN)
	storage := after.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo
	if after.State != "ACTIVE" || after.ActiveOperationArn != nil || *after.CurrentVersion == version || *storage.VolumeSize != 200 ||
		!*storage.ProvisionedThroughput.Enabled || *storage.ProvisionedThroughput.VolumeThroughput != 500 {
		t.Errorf("afterwards the cluster is %+v with %+v", after, storage)
	}

	// What is turned off is shown as that.
	if _, err := desk.update(t, types.BrokerEBSVolumeInfo{
		KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: aws.Int32(200), ProvisionedThroughput: &types.ProvisionedThroughput{Enabled: aws.Bool(false)},
	}); err != nil {
		t.Fatal(err)
	}
	if op := desk.grown(t); op.Storage.Every != (cluster.VolumeShape{SizeGiB: 200}) {
		t.Errorf("turned off by %+v", op.Storage)
	}
}

// volumesIn writes the volumes of a source or a target in short.
func volumesIn(info *types.MutableClusterInfo) string {
	if info == nil {
		return "nothing"
	}
	var volumes []string
	for _, v := range info.BrokerEBSVolumeInfo {
		text := fmt.Sprintf("%s: %d GiB", *v.KafkaBrokerNodeId, *v.VolumeSizeGB)
		switch p := v.ProvisionedThroughput; {
		case p == nil:
		case *p.Enabled:
			text += fmt.Sprintf(", %d MiB/s", *p.VolumeThroughput)
		default:
			text += ", slow"
		}
		volumes = append(volumes, text)
	}
	return strings.Join(volumes, "; ")
}

func TestUpdateBrokerStorage_OfSomeBrokersLeavesTheOthers(t *testing.T) {
	desk := openStorageDesk(t)
	arn, err := desk.update(t, volumeOf("3", 150), volumeOf("1", 120))
	if err != nil {
		t.Fatal(err)
	}
	one, err := desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := volumesIn(one.ClusterOperationInfo.TargetClusterInfo), "1: 120 GiB; 3: 150 GiB"; got != want {
		t.Errorf("the target is %q, want %q", got, want)
	}
	desk.grown(t)
	if size := *desk.describe(t, desk.c.ARN).BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize; size != 100 {
		t.Errorf("%d GiB are shown, which not every broker has", size)
	}

	// All are made alike, but none gets smaller.
	if _, err := desk.update(t, volumeOf("All", 130)); err != nil {
		t.Fatal(err)
	}
	op := desk.grown(t)
	if len(op.Storage.Volumes) != 2 || op.Storage.Volumes[0].To.SizeGiB != 130 || op.Storage.Volumes[1].NodeID != 2 || op.Storage.Every.SizeGiB != 130 {
		t.Errorf("then it was %+v", op.Storage)
	}
}

func TestUpdateStorage_IsForAllBrokers(t *testing.T) {
	desk := openStorageDesk(t)
	out, err := desk.UpdateStorage(t.Context(), &kafka.UpdateStorageInput{
		ClusterArn: &desk.c.ARN, CurrentVersion: &desk.c.Version, StorageMode: types.StorageModeLocal, VolumeSizeGB: aws.Int32(110),
	})
	if err != nil {
		t.Fatal(err)
	}
	if op := desk.grown(t); op.ARN != *out.ClusterOperationArn || op.Type != cluster.UpdateStorage || len(op.Storage.Volumes) != 3 || op.Storage.Every.SizeGiB != 110 {
		t.Errorf("it is %+v: %+v", op, op.Storage)
	}
	if _, err = desk.UpdateStorage(t.Context(), &kafka.UpdateStorageInput{
		ClusterArn: &desk.c.ARN, CurrentVersion: &desk.c.Version, ProvisionedThroughput: throughput(250),
	}); err != nil {
		t.Fatal(err)
	}
	if op := desk.grown(t); op.Storage.Every != (cluster.VolumeShape{SizeGiB: 110, ThroughputMiB: 250}) {
		t.Errorf("then it is %+v", op.Storage)
	}
	for _, tt := range []struct {
		in              kafka.UpdateStorageInput
		parameter, want string
	}{
		{kafka.UpdateStorageInput{StorageMode: types.StorageModeTiered}, "storageMode", "Millrace does not support storageMode TIERED yet."},
		{kafka.UpdateStorageInput{StorageMode: types.StorageModeLocal}, "volumeSizeGB", "does not include any updates to the EBS volumes"},
		{kafka.UpdateStorageInput{VolumeSizeGB: aws.Int32(100)}, "volumeSizeGB", "has 110 GiB, and volumes never shrink"},
	} {
		tt.in.ClusterArn, tt.in.CurrentVersion = &desk.c.ARN, &desk.c.Version
		_, err := desk.UpdateStorage(t.Context(), &tt.in)
		refusedMember(t, err, tt.parameter, tt.want)
	}
}

func TestUpdateBrokerStorage_RefusesWithoutATrace(t *testing.T) {
	desk := openStorageDesk(t)
	desk.hasVolume(t, 2, 110) // healing has grown it
	started := len(desk.workflows.started)
	off, on := aws.Bool(false), aws.Bool(true)
	with := func(gib int32, p types.ProvisionedThroughput) types.BrokerEBSVolumeInfo {
		v := volumeOf("All", gib)
		v.ProvisionedThroughput = &p
		return v
	}
	for _, tt := range []struct {
		name            string
		volumes         []types.BrokerEBSVolumeInfo
		parameter, want string
	}{
		{"nothing", []types.BrokerEBSVolumeInfo{}, "targetBrokerEBSVolumeInfo", "Name the volumes to update"},
		{"no id", []types.BrokerEBSVolumeInfo{volumeOf("b-1", 200)}, "kafkaBrokerNodeId", `"b-1" is not the id of a broker`},
		{"an id with a zero before it", []types.BrokerEBSVolumeInfo{volumeOf("01", 200)}, "kafkaBrokerNodeId", `"01" is not the id of a broker`},
		{"an id with a sign", []types.BrokerEBSVolumeInfo{volumeOf("+1", 200)}, "kafkaBrokerNodeId", `"+1" is not the id of a broker`},
		{"an id with a space", []types.BrokerEBSVolumeInfo{volumeOf(" 1", 200)}, "kafkaBrokerNodeId", `" 1" is not the id of a broker`},
		{"a broker that is not there", []types.BrokerEBSVolumeInfo{volumeOf("4", 200)}, "kafkaBrokerNodeId", "has no broker 4"},
		{"a controller", []types.BrokerEBSVolumeInfo{volumeOf("1001", 200)}, "kafkaBrokerNodeId", "has no broker 1001"},
		{"a broker twice", []types.BrokerEBSVolumeInfo{volumeOf("1", 200), volumeOf("1", 300)}, "targetBrokerEBSVolumeInfo", "duplicate items: broker 1"},
		{"all and one", []types.BrokerEBSVolumeInfo{volumeOf("1", 200), volumeOf("all", 200)}, "targetBrokerEBSVolumeInfo", "nothing can be named beside it"},
		{"all twice", []types.BrokerEBSVolumeInfo{volumeOf("All", 200), volumeOf("ALL", 200)}, "targetBrokerEBSVolumeInfo", "nothing can be named beside it"},
		{"the same size", []types.BrokerEBSVolumeInfo{volumeOf("All", 100)}, "targetBrokerEBSVolumeInfo", "The request does not include any updates to the EBS volumes of the cluster."},
		{"the same size of one", []types.BrokerEBSVolumeInfo{volumeOf("2", 110)}, "targetBrokerEBSVolumeInfo", "does not include any updates"},
		{"neither size nor throughput", []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All")}}, "targetBrokerEBSVolumeInfo", "does not include any updates"},
		{"throughput off where it is off", []types.BrokerEBSVolumeInfo{with(100, types.ProvisionedThroughput{Enabled: off})}, "targetBrokerEBSVolumeInfo", "does not include any updates"},
		{"a shrink", []types.BrokerEBSVolumeInfo{volumeOf("All", 99)}, "volumeSizeGB", "The volume of each broker has 100 GiB, and volumes never shrink: it can't have 99."},
		{"a shrink of one", []types.BrokerEBSVolumeInfo{volumeOf("2", 105)}, "volumeSizeGB", "The volume of broker 2 has 110 GiB"},
		{"a small step", []types.BrokerEBSVolumeInfo{volumeOf("All", 109)}, "volumeSizeGB", "The minimum increase in storage size is 10 GiB: the volume of each broker has 100 GiB, so its next size is 110 GiB or more, not 109."},
		{"a small step of one", []types.BrokerEBSVolumeInfo{volumeOf("1", 120), volumeOf("2", 119)}, "volumeSizeGB", "the volume of broker 2 has 110 GiB"},
		{"too large", []types.BrokerEBSVolumeInfo{volumeOf("All", 16385)}, "volumeSizeGB", "1 to 16384 GiB, not 16385"},
		{"no size", []types.BrokerEBSVolumeInfo{volumeOf("All", 0)}, "volumeSizeGB", "1 to 16384 GiB, not 0"},
		{"throughput without enabling it", []types.BrokerEBSVolumeInfo{with(200, types.ProvisionedThroughput{Enabled: off, VolumeThroughput: aws.Int32(250)})}, "volumeThroughput", "you must enable ProvisionedThroughput"},
		{"throughput without saying how much", []types.BrokerEBSVolumeInfo{with(200, types.ProvisionedThroughput{Enabled: on})}, "volumeThroughput", "should be between 250 and 1000 MiB/s"},
		{"too little throughput", []types.BrokerEBSVolumeInfo{fast("All", 249)}, "volumeThroughput", "should be between 250 and 1000 MiB/s"},
		{"too much throughput", []types.BrokerEBSVolumeInfo{fast("All", 1001)}, "volumeThroughput", "should be between 250 and 1000 MiB/s"},
		{"more throughput than the type can use", []types.BrokerEBSVolumeInfo{fast("1", 626)}, "volumeThroughput", "For kafka.m7g.4xlarge, the maximum value for VolumeThroughput cannot exceed 625 MiB/s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := desk.update(t, tt.volumes...)
			refusedMember(t, err, tt.parameter, tt.want)
		})
	}
	desk.change(t, func(c *cluster.Cluster) { c.Spec.ThroughputMiB = 500 })
	_, err := desk.update(t, with(100, types.ProvisionedThroughput{})) // which takes away nothing
	refusedMember(t, err, "targetBrokerEBSVolumeInfo", "does not include any updates")
	desk.change(t, func(c *cluster.Cluster) { c.Spec.ThroughputMiB = 0 })
	_, err = desk.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
		ClusterArn: &desk.c.ARN, CurrentVersion: aws.String("K0"), TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{volumeOf("All", 200)},
	})
	refusedMember(t, err, "currentVersion", "The version of the cluster isn't current")
	_, err = desk.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
		ClusterArn: aws.String(absentCluster), CurrentVersion: aws.String("K0"), TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{volumeOf("All", 200)},
	})
	refused(t, err, "BadRequestException", "does not exist") // this operation does not model NotFound

	desk.change(t, func(c *cluster.Cluster) { c.Spec.InstanceType = "kafka.m7g.large" })
	_, err = desk.update(t, fast("All", 250))
	refusedMember(t, err, "provisionedThroughput", "not supported for the specified broker type kafka.m7g.large")
	desk.change(t, func(c *cluster.Cluster) { c.Spec.InstanceType, c.Spec.VolumeGiB = "kafka.m7g.4xlarge", 1 })
	_, err = desk.update(t, fast("All", 250))
	refusedMember(t, err, "volumeSize", "at least 10 GiB, not 1")
	desk.change(t, func(c *cluster.Cluster) { c.Spec.InstanceType = "express.m7g.large" })
	_, err = desk.update(t, volumeOf("All", 200))
	refused(t, err, "BadRequestException", "Express type express.m7g.large")

	if c := desk.recorded(t, "orders"); c.Growing != nil || len(desk.workflows.started) != started {
		t.Errorf("begun: %+v, %v", c.Growing, desk.workflows.started)
	}
}

// The last step up to what MSK allows may be smaller.
func TestUpdateBrokerStorage_ReachesTheLargestSize(t *testing.T) {
	desk := openStorageDesk(t)
	desk.change(t, func(c *cluster.Cluster) { c.Spec.VolumeGiB = 16380 })
	if _, err := desk.update(t, volumeOf("All", 16384)); err != nil {
		t.Error(err)
	}
}

func TestUpdateBrokerStorage_IsForClustersThatNothingElseIsDoneTo(t *testing.T) {
	for state, busy := range map[string]func(*cluster.Cluster){
		"CREATING": func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.CreateCluster} },
		"HEALING":  func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.HealBroker} },
		"DELETING": func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.DeleteCluster} },
		"FAILED":   func(c *cluster.Cluster) { c.Ready, c.Failure = false, &cluster.Failure{Code: "Internal"} },
	} {
		desk := openStorageDesk(t)
		desk.change(t, busy)
		_, err := desk.update(t, volumeOf("All", 200))
		refusedMember(t, err, "clusterArn", "You can't update cluster in "+state+" state.")
	}
	desk := openStorageDesk(t)
	desk.change(t, func(c *cluster.Cluster) { c.Applying = &cluster.ActiveOperation{ID: "1", Type: cluster.ApplyTopics} })
	if _, err := desk.update(t, volumeOf("All", 200)); err != nil {
		t.Errorf("while topics are applied: %v", err)
	}
}

func TestUpdateBrokerStorage_OnceMoreWhileItIsUnderWayIsTheSameOperation(t *testing.T) {
	desk := openStorageDesk(t)
	first, err := desk.update(t, volumeOf("All", 200))
	if err != nil {
		t.Fatal(err)
	}
	started := len(desk.workflows.started)
	desk.hasVolume(t, 1, 200) // it gets on
	if again, err := desk.update(t, volumeOf("ALL", 200)); err != nil || again != first {
		t.Errorf("once more it is %s, %v", again, err)
	}
	// A heal that has begun meanwhile changes nothing about that.
	desk.change(t, func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.HealBroker} })
	if again, err := desk.update(t, volumeOf("All", 200)); err != nil || again != first {
		t.Errorf("once more, beside a heal, it is %s, %v", again, err)
	}
	if described := desk.describe(t, desk.c.ARN); described.State != "HEALING" || strings.HasSuffix(first, *described.ActiveOperationArn) {
		t.Errorf("the cluster is %s by %s", described.State, *described.ActiveOperationArn)
	}
	desk.change(t, func(c *cluster.Cluster) { c.Active = nil })
	for name, volumes := range map[string][]types.BrokerEBSVolumeInfo{
		"more":                     {volumeOf("All", 300)},
		"less":                     {volumeOf("All", 150)},
		"of one":                   {volumeOf("1", 200)},
		"with throughput":          {volumeOf("1", 200), volumeOf("2", 200), fast("3", 250)},
		"with one that is not yet": {volumeOf("1", 200), volumeOf("2", 200), volumeOf("3", 200), volumeOf("4", 200)},
	} {
		_, err := desk.update(t, volumes...)
		if err == nil {
			t.Errorf("%s is taken for the same", name)
			continue
		}
		refusedMember(t, err, "clusterArn", "You can't update cluster in UPDATING state.")
	}
	_, err = desk.UpdateStorage(t.Context(), &kafka.UpdateStorageInput{ClusterArn: &desk.c.ARN, CurrentVersion: &desk.c.Version, VolumeSizeGB: aws.Int32(200)})
	refusedMember(t, err, "clusterArn", "UPDATING")
	_, err = desk.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
		ClusterArn: &desk.c.ARN, CurrentVersion: aws.String("K0"), TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{volumeOf("All", 200)},
	})
	refusedMember(t, err, "clusterArn", "UPDATING")
	if len(desk.workflows.started) != started {
		t.Errorf("started %v", desk.workflows.started)
	}
}

func TestUpdateBrokerStorage_OfManyAtOnceOneIsBegun(t *testing.T) {
	desk := openStorageDesk(t)
	arns := make([]string, 8)
	atOnce(t, len(arns), func(i int) error {
		var err error
		arns[i], err = desk.update(t, volumeOf("All", 200))
		return err
	})
	slices.Sort(arns)
	if different := slices.Compact(arns); len(different) != 1 {
		t.Errorf("begun are %v", different)
	}
}

// A growth that ended partway leaves some volumes larger than the cluster is said to have; one that died before its end, all of them.
func TestUpdateBrokerStorage_AfterOneThatDidNotEndWellGoesOn(t *testing.T) {
	desk := openStorageDesk(t)
	desk.hasVolume(t, 1, 200)
	if _, err := desk.update(t, volumeOf("All", 200)); err != nil {
		t.Fatal(err)
	}
	if op := desk.grown(t); len(op.Storage.Volumes) != 2 || op.Storage.Every.SizeGiB != 200 {
		t.Errorf("it goes on with %+v", op.Storage)
	}
	desk.change(t, func(c *cluster.Cluster) { c.Spec.VolumeGiB = 100 })
	if _, err := desk.update(t, volumeOf("All", 200)); err != nil {
		t.Fatal(err)
	}
	if op := desk.grown(t); len(op.Storage.Volumes) != 3 || op.Storage.Volumes[0].From != op.Storage.Volumes[0].To || desk.c.Spec.VolumeGiB != 200 {
		t.Errorf("all that is left is to say so: %+v", op.Storage)
	}
}

func TestUpdateBrokerStorage_NamesThePolicyThatHasGrownWhatSomebodyWouldShrink(t *testing.T) {
	desk := openStorageDesk(t)
	desk.hasPolicy(t)
	_, err := desk.update(t, volumeOf("All", 50))
	refusedMember(t, err, "volumeSizeGB", "has 100 GiB, and volumes never shrink: it can't have 50.") // the policy has done nothing yet

	desk.changes(t, cluster.StorageChange{Automatic: true, Merges: true}, 100) // Millrace's own, which gives nobody more room
	desk.grown(t)
	_, err = desk.update(t, volumeOf("All", 50))
	refusedMember(t, err, "volumeSizeGB", "has 100 GiB, and volumes never shrink: it can't have 50.")

	desk.grows(t, true, 110)
	desk.grown(t)
	_, err = desk.update(t, volumeOf("All", 100))
	refusedMember(t, err, "volumeSizeGB", `The volume of each broker has 110 GiB now, because the scaling policy "p" (target 60 %, at most 500 GiB) `+
		"has grown it, and volumes never shrink: declare 110 GiB, or ignore changes of the size where it is declared.")
	desk.scaling(t, func(s *cluster.StorageScaling) { s.RemovePolicy("p") })
	_, err = desk.update(t, volumeOf("All", 100))
	refusedMember(t, err, "volumeSizeGB", "because storage autoscaling has grown it")
}

func TestUpdateBrokerStorage_NamesThePolicyWhateverElseWasChangedSince(t *testing.T) {
	desk := openStorageDesk(t)
	desk.hasPolicy(t)
	desk.grows(t, true, 110)
	desk.grown(t)
	for _, since := range []types.BrokerEBSVolumeInfo{fast("All", 250), volumeOf("2", 150)} {
		if _, err := desk.update(t, since); err != nil {
			t.Fatal(err)
		}
		desk.grown(t)
		_, err := desk.update(t, volumeOf("All", 100))
		refusedMember(t, err, "volumeSizeGB", `The volume of each broker has 110 GiB now, because the scaling policy "p"`)
		_, err = desk.update(t, volumeOf("3", 100))
		refusedMember(t, err, "volumeSizeGB", `The volume of broker 3 has 110 GiB now, because the scaling policy "p"`)
	}
	_, err := desk.update(t, volumeOf("2", 100))
	refusedMember(t, err, "volumeSizeGB", "The volume of broker 2 has 150 GiB, and volumes never shrink: it can't have 100.")
}

func TestUpdateBrokerStorage_PutsBackWhatCameToSomeBrokersOnly(t *testing.T) {
	desk := openStorageDesk(t)
	if _, err := desk.update(t, fast("2", 500)); err != nil {
		t.Fatal(err)
	}
	desk.grown(t)
	all := fast("All", 0)
	all.ProvisionedThroughput = &types.ProvisionedThroughput{Enabled: aws.Bool(false)}
	if _, err := desk.update(t, all); err != nil {
		t.Fatal(err)
	}
	op := desk.grown(t)
	if want := (cluster.VolumeShape{SizeGiB: 100}); len(op.Storage.Volumes) != 1 || op.Storage.Volumes[0].NodeID != 2 || op.Storage.Volumes[0].To != want {
		t.Errorf("it changes %+v", op.Storage)
	}
	_, err := desk.update(t, all)
	refusedMember(t, err, "targetBrokerEBSVolumeInfo", "does not include any updates to the EBS volumes")
}

// What grows by itself is in nobody's list of repeats, whatever it is that somebody asks for.
func TestUpdateBrokerStorage_DoesNotTakeAutoscalingForItsOwn(t *testing.T) {
	desk := openStorageDesk(t)
	desk.grows(t, true, 110)
	_, err := desk.update(t, volumeOf("All", 110))
	refusedMember(t, err, "clusterArn", "You can't update cluster in UPDATING state.")
}

func TestUpdateBrokerStorage_TakesAnOperator(t *testing.T) {
	desk := openStorageDesk(t)
	in := &kafka.UpdateBrokerStorageInput{
		ClusterArn: &desk.c.ARN, CurrentVersion: &desk.c.Version, TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{volumeOf("All", 200)},
	}
	_, err := desk.as(desk.issue(t, accesskey.ReadOnly)).UpdateBrokerStorage(t.Context(), in)
	refused(t, err, "ForbiddenException", "operator")
	if _, err := desk.as(desk.issue(t, accesskey.Operator)).UpdateBrokerStorage(t.Context(), in); err != nil {
		t.Error(err)
	}
}

func TestCreateCluster_KeepsItsThroughput(t *testing.T) {
	desk := openFrontDesk(t)
	p := threeBrokers()
	p.BrokerNodeGroupInfo.InstanceType = aws.String("kafka.m7g.2xlarge")
	p.BrokerNodeGroupInfo.StorageInfo = &types.StorageInfo{EbsStorageInfo: &types.EBSStorageInfo{ProvisionedThroughput: throughput(300)}}
	if _, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p}); err != nil {
		t.Fatal(err)
	}
	c := desk.recorded(t, "orders")
	storage := desk.describe(t, c.ARN).BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo
	if c.Spec.ThroughputMiB != 300 || !*storage.ProvisionedThroughput.Enabled || *storage.ProvisionedThroughput.VolumeThroughput != 300 {
		t.Errorf("recorded is %d, shown is %+v", c.Spec.ThroughputMiB, storage.ProvisionedThroughput)
	}
}

func TestStorage_ShowsEachVolumeAndHowItHasGrown(t *testing.T) {
	desk := openStorageDesk(t)
	desk.hasPolicy(t)
	if err := desk.records.PutBeat(t.Context(), "host-2", nodespec.Heartbeat{
		At: noon, State: nodespec.Running, Disk: &nodespec.Disk{TotalBytes: 200, UsedBytes: 90},
	}); err != nil {
		t.Fatal(err)
	}
	desk.heal(t, desk.c, "00000000-0000-7000-8000-000000000000", cluster.Heal{
		NodeID: 2, Role: cluster.Broker, Remedy: cluster.Grow, Reason: "99 % are used", VolumeGiB: 110,
	})
	desk.change(t, func(c *cluster.Cluster) { c.Active = nil })
	desk.grows(t, true, 110)
	desk.grown(t)
	desk.changes(t, cluster.StorageChange{Automatic: true, Merges: true}, 110)
	desk.grown(t)
	if _, err := desk.update(t, volumeOf("1", 200), fast("2", 250)); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.records.ChangeNode(t.Context(), desk.c.ID, 3, func(n *cluster.Node) error {
		n.Volume.Further = []cluster.FurtherVolume{{Number: 1, ID: "vol-3b", SizeGiB: 10, WholeGiB: 110}, {Number: 2, SizeGiB: 90, WholeGiB: 200}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	shown := desk.healing(t, desk.c, http.MethodGet, "storage", "")
	if shown.Status != http.StatusOK {
		t.Fatalf("answered %+v", shown)
	}
	for _, growth := range append(shown.Body["growths"].([]any), shown.Body["growing"]) {
		without(growth.(map[string]any)["operation"], "arn", "id", "startedAt", "endedAt", "steps")
	}
	growing := `{"cause": "request",
		"volumes": [{"nodeId": 1, "fromGiB": 110, "toGiB": 200}, {"nodeId": 2, "fromGiB": 110, "toGiB": 110, "toThroughputMiB": 250}],
		"operation": {"type": "UPDATE_BROKER_STORAGE", "state": "PENDING", "attempt": 1, "percent": 0}}`
	want := `{"name": "orders", "arn": "` + desk.c.ARN + `", "state": "UPDATING", "volumeGiB": 110,
		"autoscaling": {"targetPercent": 60, "maxGiB": 500},
		"brokers": [
			{"id": 1, "zone": "zone-a", "volume": "vol-1", "volumeGiB": 110},
			{"id": 2, "zone": "zone-b", "volume": "vol-2", "volumeGiB": 110,
				"usedBytes": 90, "totalBytes": 200, "usedPercent": 45, "seenAt": "2026-09-20T12:00:00.000Z"},
			{"id": 3, "zone": "zone-c", "volume": "vol-3", "volumes": ["vol-3", "vol-3b"], "volumeGiB": 110}
		],
		"growing": ` + growing + `,
		"growths": [` + growing + `,
			{"cause": "merging", "volumes": [
				{"nodeId": 1, "fromGiB": 110, "toGiB": 110}, {"nodeId": 2, "fromGiB": 110, "toGiB": 110}, {"nodeId": 3, "fromGiB": 110, "toGiB": 110}
			], "operation": {"type": "UPDATE_BROKER_STORAGE", "state": "UPDATE_COMPLETE", "attempt": 1, "percent": 100}},
			{"cause": "autoscaling", "volumes": [
				{"nodeId": 1, "fromGiB": 100, "toGiB": 110}, {"nodeId": 2, "fromGiB": 100, "toGiB": 110}, {"nodeId": 3, "fromGiB": 100, "toGiB": 110}
			], "operation": {"type": "UPDATE_BROKER_STORAGE", "state": "UPDATE_COMPLETE", "attempt": 1, "percent": 100}},
			{"cause": "healing", "reason": "99 % are used", "volumes": [{"nodeId": 2, "toGiB": 110}],
				"operation": {"type": "HEAL_BROKER", "state": "UPDATE_IN_PROGRESS", "attempt": 1, "percent": 0}}
		]}`
	if !equalJSON(t, shown.Body, want) {
		t.Errorf("shown is %v", shown.Body)
	}

	view := desk.send(t, http.MethodGet, "/millrace/v1/clusters/"+url.PathEscape(desk.c.ARN), nil)
	if beside, _ := view.Body["growing"].(map[string]any); beside["type"] != "UPDATE_BROKER_STORAGE" || view.Body["volumeGiB"] != 110.0 {
		t.Errorf("the cluster is shown as %v", view.Body)
	}
	none := desk.create(t, "payments")
	if early := desk.healing(t, none, http.MethodGet, "storage", ""); early.Status != http.StatusOK || len(early.Body["brokers"].([]any)) > 0 {
		t.Errorf("before there are brokers: %+v", early)
	}
}
