package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// devices are the names under which a host has its log volume: the first one the first, further ones the others, by their numbers.
// Only who attaches minds them; a host tells volumes apart by their ids.
var devices = strings.Split("fghijklmnop", "")

// devicesFor are the names for a further volume of a number, or for the first one, in the order in which they are tried. Numbers go
// on for ever, and names do not: one may be taken by a further volume of another number.
func devicesFor(number int) []string {
	if number == 0 {
		return devices[:1]
	}
	further := devices[1:]
	start := (number - 1) % len(further)
	return append(slices.Clone(further[start:]), further[:start]...)
}

// EnsureVolume makes a volume, or gives the one that the token has made before.
func (v Volumes) EnsureVolume(ctx context.Context, r cluster.VolumeRequest) (cluster.Volume, error) {
	found, err := v.byToken(ctx, r.Token)
	if err != nil {
		return cluster.Volume{}, fmt.Errorf("look for volume %s: %w", r.Token, err)
	}
	if len(found) > 0 {
		return firstVolume(found), nil
	}
	for _, clientToken := range clientTokens(r.Token) {
		in := &ec2.CreateVolumeInput{
			ClientToken:        aws.String(clientToken),
			AvailabilityZoneId: &r.Rack,
			Size:               aws.Int32(int32(r.SizeGiB)), //nolint:gosec // EBS's largest is 65536 GiB
			VolumeType:         types.VolumeTypeGp3,
			Encrypted:          aws.Bool(true), KmsKeyId: &v.VolumeKey,
			TagSpecifications: []types.TagSpecification{v.tags(types.ResourceTypeVolume, r.Token, r.ClusterName, r.Role, numbered(r.Token)...)},
		}
		if r.ThroughputMiB > 0 {
			in.Throughput, in.Iops = aws.Int32(int32(r.ThroughputMiB)), aws.Int32(iopsFor(r.ThroughputMiB)) //nolint:gosec // at most 2000
		}
		made, err := v.ec2.CreateVolume(ctx, in)
		if is(err, otherParameters, noVolume) {
			// Made for another size or name, as before a change of the request, or deleted since.
			if found, err := settledByToken(ctx, v.region, "volume", r.Token, v.byToken); err != nil || len(found) > 0 {
				return firstVolume(found), err
			}
			continue
		}
		if err != nil {
			return cluster.Volume{}, fmt.Errorf("make volume %s: %w", r.Token,
				failure(err, fmt.Sprintf("a volume of %d GiB in %s", r.SizeGiB, r.Rack)))
		}
		seen, err := v.seen(ctx, aws.ToString(made.VolumeId))
		if err != nil || seen {
			return cluster.Volume{ID: aws.ToString(made.VolumeId), SizeGiB: int(aws.ToInt32(made.Size)), ThroughputMiB: r.ThroughputMiB}, err
		}
	}
	return cluster.Volume{}, fault.New(fault.Unavailable, "volume %s was deleted too often within a day", r.Token)
}

// seen waits until everybody can see a volume; false when there is none (any more).
func (v Volumes) seen(ctx context.Context, id string) (bool, error) {
	gone := false
	seen, err := v.settled(ctx, func() (bool, error) {
		found, err := v.describe(ctx, id)
		gone = found != nil && ending(*found)
		return found != nil, err
	})
	if err != nil {
		return false, fmt.Errorf("look at volume %s: %w", id, err)
	}
	return seen && !gone, nil
}

// AttachVolume attaches a volume to a running host. A volume that is attached there already stays so. One that another host
// has is a Conflict, and so is a host that does not run; a volume that is not there is NotFound.
func (v Volumes) AttachVolume(ctx context.Context, id, hostID string) error {
	there, number, err := v.attached(ctx, id, hostID)
	if err != nil || there {
		return err
	}
	for _, device := range devicesFor(number) {
		_, err = v.ec2.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: &hostID, Device: aws.String("/dev/sd" + device)})
		if !is(err, invalidValue) || !strings.Contains(err.Error(), "already in use") { // "Attachment point /dev/sdg is already in use"
			break
		}
	}
	if err == nil {
		return nil
	}
	if is(err, volumeInUse, incorrectState, invalidValue) { // it may be ours: an answer may have been lost
		if there, _, lookErr := v.attached(ctx, id, hostID); lookErr != nil || there {
			return lookErr
		}
	}
	switch {
	case is(err, noInstance):
		return v.hostUnknown(ctx, hostID, err)
	case is(err, notPermitted): // "when it is in modification state: MODIFYING", which lasts seconds
		return fault.New(fault.Unavailable, "volume %s is being changed: %w", id, err)
	}
	return fmt.Errorf("attach volume %s to host %s: %w", id, hostID, failure(err, "volume "+id))
}

// hostUnknown says why EC2 knows nothing of a host: it has ended, which is a Conflict, or it was made a moment ago and not
// all of EC2 has heard of it, which is Unavailable.
func (v Volumes) hostUnknown(ctx context.Context, hostID string, refusal error) error {
	host, err := Hosts(v).Host(ctx, hostID)
	if err != nil {
		return err
	}
	if host.State == cluster.HostTerminated {
		return fault.New(fault.Conflict, "host %s has ended", hostID)
	}
	return failure(refusal, "host "+hostID)
}

// attached tells whether a host has a volume, and the volume's number. That another has it is an error, and so is a volume that can't
// be attached.
func (v Volumes) attached(ctx context.Context, id, hostID string) (there bool, number int, err error) {
	var found *types.Volume
	_, err = v.settled(ctx, func() (_ bool, err error) {
		found, err = v.describe(ctx, id)
		return found != nil && found.State != types.VolumeStateCreating, err
	})
	switch {
	case err != nil:
		return false, 0, fmt.Errorf("look at volume %s: %w", id, err)
	case found == nil || ending(*found):
		return false, 0, fault.New(fault.NotFound, "there is no volume %s", id)
	case found.State == types.VolumeStateCreating:
		return false, 0, fault.New(fault.Unavailable, "volume %s is still being made", id)
	}
	number = numberOf(*found)
	holder, letGo := holderOf(*found)
	switch {
	case holder == hostID && !letGo:
		return true, number, nil
	case holder == hostID:
		return false, number, letsGo(id, hostID)
	case holder != "":
		return false, number, v.held(ctx, "volume "+id, holder)
	}
	return false, number, nil
}

func letsGo(id, hostID string) error {
	return fault.New(fault.Unavailable, "volume %s is being detached from host %s", id, hostID)
}

// DetachVolume takes a volume from a host that uses it no longer. A volume that the host does not have, because another has it,
// nobody has, or it is gone, is success. It is Unavailable while the host has not let go yet; nothing is done by force.
func (v Volumes) DetachVolume(ctx context.Context, id, hostID string) error {
	gone, err := v.settled(ctx, func() (bool, error) {
		found, err := v.describe(ctx, id)
		if err != nil || found == nil {
			return found == nil, err
		}
		switch holder, letGo := holderOf(*found); {
		case holder != hostID:
			return true, nil
		case letGo:
			return false, nil
		}
		_, err = v.ec2.DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: &id, InstanceId: &hostID})
		if is(err, incorrectState, noAttachment, noVolume) { // it has let go meanwhile, as the next look shows
			err = nil
		}
		return false, failure(err, "volume "+id)
	})
	switch {
	case err != nil:
		return fmt.Errorf("detach volume %s from host %s: %w", id, hostID, err)
	case !gone:
		return letsGo(id, hostID)
	}
	return nil
}

// DeleteVolume deletes what a token has made. A volume that is gone, or never was, is success; one that a host has is a
// Conflict.
func (v Volumes) DeleteVolume(ctx context.Context, token cluster.Token) error {
	found, err := settledByToken(ctx, v.region, "volume", token, v.byToken)
	if err != nil {
		return err
	}
	for _, volume := range found {
		if err := v.delete(ctx, volume); err != nil {
			return err
		}
	}
	return nil
}

func (v Volumes) delete(ctx context.Context, volume types.Volume) error {
	id := aws.ToString(volume.VolumeId)
	if holder, _ := holderOf(volume); holder != "" {
		return v.held(ctx, "volume "+id, holder)
	}
	_, err := v.ec2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &id})
	if err != nil && !is(err, noVolume) {
		return fmt.Errorf("delete volume %s: %w", id, failure(err, "volume "+id))
	}
	return nil
}

// byToken gives the volumes that a token has made and that are not being deleted, in one order. There is one, unless EC2
// took longer than it may to show the first.
func (v Volumes) byToken(ctx context.Context, token cluster.Token) ([]types.Volume, error) {
	var found []types.Volume
	for pages := ec2.NewDescribeVolumesPaginator(v.ec2, &ec2.DescribeVolumesInput{Filters: v.ofToken(token)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(err, "the look at volumes")
		}
		found = append(found, page.Volumes...)
	}
	found = slices.DeleteFunc(found, ending)
	slices.SortFunc(found, func(a, b types.Volume) int {
		return strings.Compare(aws.ToString(a.VolumeId), aws.ToString(b.VolumeId))
	})
	return found, nil
}

// describe gives a volume; nil when nobody can see it.
func (v Volumes) describe(ctx context.Context, id string) (*types.Volume, error) {
	out, err := v.ec2.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	if is(err, noVolume) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(err, "the look at volumes")
	}
	if len(out.Volumes) == 0 {
		return nil, nil
	}
	return &out.Volumes[0], nil
}

func ending(v types.Volume) bool {
	return v.State == types.VolumeStateDeleting || v.State == types.VolumeStateDeleted
}

// holderOf gives the host that has a volume, and whether it is letting go; empty when none has.
func holderOf(v types.Volume) (hostID string, letsGo bool) {
	for _, a := range v.Attachments {
		if a.State != types.VolumeAttachmentStateDetached {
			return aws.ToString(a.InstanceId), a.State == types.VolumeAttachmentStateDetaching || a.State == types.VolumeAttachmentStateBusy
		}
	}
	return "", false
}

// firstVolume gives the first of some volumes in our words; none when there is none.
func firstVolume(found []types.Volume) cluster.Volume {
	if len(found) == 0 {
		return cluster.Volume{}
	}
	shape := shapeOf(found[0])
	return cluster.Volume{ID: aws.ToString(found[0].VolumeId), SizeGiB: shape.SizeGiB, ThroughputMiB: shape.ThroughputMiB}
}
