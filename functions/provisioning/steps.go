package provisioning

import (
	"context"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/progress"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// Platform is everything that the steps of this area ask of the world outside, gathered for the one place that wires
// them. Each step names the part that it needs, and says there what it means.
type Platform struct {
	Addresses interface {
		EnsureAddress(ctx context.Context, request cluster.AddressRequest) (cluster.Address, error)
		ReleaseAddress(ctx context.Context, token cluster.Token) error
		NameKnown(ctx context.Context, address cluster.Address) (bool, error)
	}
	Volumes interface {
		EnsureVolume(ctx context.Context, request cluster.VolumeRequest) (cluster.Volume, error)
		AttachVolume(ctx context.Context, volumeID, hostID string) error
		DetachVolume(ctx context.Context, volumeID, hostID string) error
		GrowVolume(ctx context.Context, volumeID string, want cluster.VolumeShape) error
		VolumeGrown(ctx context.Context, volumeID string, want cluster.VolumeShape) (bool, error)
		VolumeSize(ctx context.Context, volumeID string) (gib int, err error)
		DeleteVolume(ctx context.Context, token cluster.Token) error
	}
	Hosts interface {
		LaunchHost(ctx context.Context, request cluster.HostRequest) (cluster.Host, error)
		FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error)
		Host(ctx context.Context, id string) (cluster.Host, error)
		HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error)
		WatchHosts() (changed <-chan struct{}, stop func())
		RetireHost(ctx context.Context, id string) error
		ForgetHost(ctx context.Context, id string) error
	}
	Secrets interface {
		PutSecret(ctx context.Context, name, value string) (kept string, err error)
		Secret(ctx context.Context, name string) (string, error)
		DeleteSecrets(ctx context.Context, prefix string) error
	}
	Zones interface {
		Zones(ctx context.Context, subnets []string) ([]string, error)
	}
	Sizing Sizing
}

// Deps is what the steps of this area need.
type Deps struct {
	Records  records.Records
	Platform Platform
	Now      func() time.Time
}

// Steps are the steps of this area, by the name that state machines call them.
func Steps(d Deps) serve.Steps {
	r, p, reporter := d.Records, d.Platform, progress.Reporter{Records: d.Records}
	specs, looks := nodeSpecs{r, p.Secrets, p.Sizing, d.Now}, secondLooks{r, r, d.Now}
	return serve.Steps{
		"PlanCluster":        serve.New(PlanCluster{r, p.Zones, p.Secrets, reporter, d.Now}.Run),
		"EnsureAddress":      serve.New(EnsureAddress{r, r, p.Addresses}.Run),
		"EnsureVolume":       serve.New(EnsureVolume{r, r, p.Volumes}.Run),
		"LaunchHost":         serve.New(LaunchHost{r, r, p.Hosts, r}.Run),
		"CheckHostRunning":   serve.New(CheckHostRunning{r, p.Hosts, reporter, d.Now}.Run),
		"AttachVolume":       serve.New(AttachVolume{r, p.Volumes}.Run),
		"CheckHostsReported": serve.New(CheckHostsReported{r, r, reporter, d.Now}.Run),
		"WriteNodeSpecs":     serve.New(WriteNodeSpecs{specs, reporter}.Run),
		"CheckNodesJoined":   serve.New(CheckNodesJoined{r, r, p.Hosts, p.Addresses, reporter, d.Now}.Run),
		"SealVolumes":        serve.New(SealVolumes{r}.Run),

		"RenewKafkaAccess":  serve.New(RenewKafkaAccess{r, p.Secrets, d.Now}.Run),
		"FenceHost":         serve.New(FenceHost{looks, r, p.Hosts, reporter}.Run),
		"CheckHostFenced":   serve.New(CheckHostFenced{r, p.Hosts, reporter, d.Now}.Run),
		"CheckHostReported": serve.New(CheckHostReported{r, r, p.Hosts, reporter, d.Now}.Run),
		"WriteNodeSpec":     serve.New(WriteNodeSpec{specs, looks}.Run),
		"CheckNodeJoined":   serve.New(CheckNodeJoined{r, r, r, p.Hosts, r, reporter, d.Now}.Run),
		"GrowVolume":        serve.New(GrowVolume{r, r, r, r, p.Volumes, reporter, d.Now}.Run),
		"CheckVolumeGrown":  serve.New(CheckVolumeGrown{r, r, r, p.Volumes, p.Hosts, reporter, d.Now}.Run),
		"RetireVolumes":     serve.New(RetireVolumes{r, r, r, p.Volumes, d.Now}.Run),
		"JudgeGrowth":       serve.New(JudgeGrowth{r}.Run),

		"PlanTeardown":     serve.New(PlanTeardown{r, reporter}.Run),
		"RetireHost":       serve.New(RetireHost{r, p.Hosts}.Run),
		"CheckHostRetired": serve.New(CheckHostRetired{r, p.Hosts, reporter, d.Now}.Run),
		"RemoveVolume":     serve.New(RemoveVolume{r, r, p.Volumes, d.Now}.Run),
		"ReleaseAddress":   serve.New(ReleaseAddress{p.Addresses}.Run),
		"ForgetNodes":      serve.New(ForgetNodes{r, r, p.Hosts, p.Secrets, reporter}.Run),
	}
}
