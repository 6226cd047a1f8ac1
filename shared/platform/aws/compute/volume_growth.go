package compute

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/fault"
)

// GrowVolume begins to make a volume larger, while whatever uses it goes on. A volume that is as large, or on its way there, is
// success. One that EBS has changed too lately is a Conflict, and so is one that is being changed to another size; one that is
// not there is NotFound.
func (v Volumes) GrowVolume(ctx context.Context, id string, sizeGiB int) error {
	size, change, err := v.growth(ctx, id)
	if err != nil || size >= sizeGiB || leadsTo(change, sizeGiB) {
		return err
	}
	_, err = v.ec2.ModifyVolume(ctx, &ec2.ModifyVolumeInput{
		VolumeId: &id, Size: aws.Int32(int32(sizeGiB)), //nolint:gosec // EBS's largest is 65536 GiB
	})
	switch {
	case is(err, changedLately):
		return fault.New(fault.Conflict, "volume %s was changed%s and EBS takes no other change of it for six hours after that: %w", id, when(change), err)
	case is(err, beingChanged): // perhaps by this: an answer may have been lost
		size, change, lookErr := v.growth(ctx, id)
		if lookErr != nil || size >= sizeGiB || leadsTo(change, sizeGiB) {
			return lookErr
		}
		return fault.New(fault.Conflict, "volume %s is still being changed%s: %w", id, when(change), err)
	case err != nil:
		return fmt.Errorf("grow volume %s: %w", id, failure(err, fmt.Sprintf("%d GiB of volume %s", sizeGiB, id)))
	}
	return nil
}

// VolumeGrown tells whether a volume has become as large as it was to be. Its hosts see the room from then on. A change that EBS
// gave up is Unavailable: it is to be begun again.
func (v Volumes) VolumeGrown(ctx context.Context, id string, sizeGiB int) (bool, error) {
	size, change, err := v.growth(ctx, id)
	if err != nil {
		return false, err
	}
	if change != nil {
		switch change.ModificationState {
		case types.VolumeModificationStateFailed:
			if size < sizeGiB {
				return false, fault.New(fault.Unavailable, "EBS has not grown volume %s: %s", id, aws.ToString(change.StatusMessage))
			}
		case types.VolumeModificationStateModifying: // the volume may say its new size already, before it has it
			return false, nil
		case types.VolumeModificationStateOptimizing, types.VolumeModificationStateCompleted:
		}
	}
	return size >= sizeGiB, nil
}

// growth gives a volume's size, and the latest change of it; nil where there never was one.
func (v Volumes) growth(ctx context.Context, id string) (sizeGiB int, change *types.VolumeModification, err error) {
	found, err := v.describe(ctx, id)
	if err != nil {
		return 0, nil, fmt.Errorf("look at volume %s: %w", id, err)
	}
	if found == nil || ending(*found) {
		return 0, nil, fault.New(fault.NotFound, "there is no volume %s", id)
	}
	out, err := v.ec2.DescribeVolumesModifications(ctx, &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}})
	if err != nil && !is(err, neverChanged) {
		return 0, nil, fmt.Errorf("look at changes of volume %s: %w", id, failure(err, "the look at changes of volumes"))
	}
	if err == nil {
		for i, m := range out.VolumesModifications {
			if change == nil || aws.ToTime(m.StartTime).After(aws.ToTime(change.StartTime)) {
				change = &out.VolumesModifications[i]
			}
		}
	}
	return int(aws.ToInt32(found.Size)), change, nil
}

// leadsTo tells whether a change that is under way makes a volume large enough.
func leadsTo(change *types.VolumeModification, sizeGiB int) bool {
	return change != nil && int(aws.ToInt32(change.TargetSize)) >= sizeGiB &&
		(change.ModificationState == types.VolumeModificationStateModifying || change.ModificationState == types.VolumeModificationStateOptimizing)
}

func when(change *types.VolumeModification) string {
	if change == nil || change.StartTime == nil {
		return ""
	}
	return " at " + change.StartTime.UTC().Format(time.RFC3339)
}
