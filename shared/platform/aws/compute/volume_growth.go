package compute

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// GrowVolume begins to make a volume larger, or to give it another throughput, while whatever uses it goes on. A volume that is as
// it was to be, or on its way there, is success. One that EBS has changed too lately, or is still changing to something else, is a
// Conflict of the reason [cluster.VolumeRests]; one that is not there is NotFound.
func (v Volumes) GrowVolume(ctx context.Context, id string, want cluster.VolumeShape) error {
	now, change, err := v.growth(ctx, id)
	if err != nil || meets(now, want) || leadsTo(change, want) {
		return err
	}
	_, err = v.ec2.ModifyVolume(ctx, modification(now, want))
	switch {
	case is(err, changedLately):
		return fault.Refused(fault.Conflict, cluster.VolumeRests,
			"volume %s was changed%s, and EBS takes four changes of a volume in 24 hours, in some regions one in six hours%s: %w",
			id, at(began(change)), tryAgain(change), err)
	case is(err, beingChanged): // perhaps by this: an answer may have been lost
		now, change, lookErr := v.growth(ctx, id)
		if lookErr != nil || meets(now, want) || leadsTo(change, want) {
			return lookErr
		}
		return fault.Refused(fault.Conflict, cluster.VolumeRests,
			"volume %s is still being changed%s, and EBS takes the next change once that has ended, within hours: try again then: %w",
			id, since(change), err)
	case err != nil:
		return fmt.Errorf("grow volume %s: %w", id, failure(err, fmt.Sprintf("%s of volume %s", want, id)))
	}
	return nil
}

// modification is what has to be changed of a volume. What stays is not named: EBS refuses a change that changes nothing.
func modification(now types.Volume, want cluster.VolumeShape) *ec2.ModifyVolumeInput {
	in := &ec2.ModifyVolumeInput{VolumeId: now.VolumeId}
	if shapeOf(now).SizeGiB < want.SizeGiB {
		in.Size = aws.Int32(int32(want.SizeGiB)) //nolint:gosec // EBS's largest is 65536 GiB
	}
	if want.ThroughputMiB != 0 && int(aws.ToInt32(now.Throughput)) != want.ThroughputMiB {
		in.Throughput = aws.Int32(int32(want.ThroughputMiB)) //nolint:gosec // at most 2000
		has, needs := aws.ToInt32(now.Iops), iopsFor(want.ThroughputMiB)
		// What came with a throughput goes with it; what somebody has given the volume beyond that stays.
		if has < needs || has > needs && has == iopsFor(int(aws.ToInt32(now.Throughput))) {
			in.Iops = aws.Int32(needs)
		}
	}
	return in
}

// A gp3 volume has baseIOPS by itself, and takes and gives a quarter of a MiB a second for each operation a second that it has.
const (
	baseIOPS   = 3000
	iopsPerMiB = 4
)

// iopsFor is how many operations a second a volume has to have for a throughput.
func iopsFor(throughputMiB int) int32 {
	return int32(max(baseIOPS, iopsPerMiB*throughputMiB)) //nolint:gosec // at most 16000
}

// VolumeGrown tells whether a volume has become what was wanted. Its hosts see the room from then on. A change that EBS gave up is
// Unavailable: it is to be begun again.
func (v Volumes) VolumeGrown(ctx context.Context, id string, want cluster.VolumeShape) (bool, error) {
	now, change, err := v.growth(ctx, id)
	if err != nil {
		return false, err
	}
	if change != nil {
		switch change.ModificationState {
		case types.VolumeModificationStateFailed:
			if !meets(now, want) {
				return false, fault.New(fault.Unavailable, "EBS has not grown volume %s: %s", id, aws.ToString(change.StatusMessage))
			}
		case types.VolumeModificationStateModifying: // the volume may say its new size already, before it has it
			return false, nil
		case types.VolumeModificationStateOptimizing, types.VolumeModificationStateCompleted:
		}
	}
	return meets(now, want), nil
}

// growth gives a volume, and the latest change of it; nil where there never was one.
func (v Volumes) growth(ctx context.Context, id string) (now types.Volume, change *types.VolumeModification, err error) {
	found, err := v.describe(ctx, id)
	if err != nil {
		return types.Volume{}, nil, fmt.Errorf("look at volume %s: %w", id, err)
	}
	if found == nil || ending(*found) {
		return types.Volume{}, nil, fault.New(fault.NotFound, "there is no volume %s", id)
	}
	out, err := v.ec2.DescribeVolumesModifications(ctx, &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}})
	if err != nil && !is(err, neverChanged) {
		return types.Volume{}, nil, fmt.Errorf("look at changes of volume %s: %w", id, failure(err, "the look at changes of volumes"))
	}
	if err == nil {
		for i, m := range out.VolumesModifications {
			if change == nil || aws.ToTime(m.StartTime).After(aws.ToTime(change.StartTime)) {
				change = &out.VolumesModifications[i]
			}
		}
	}
	return *found, change, nil
}

// meets tells whether a volume is as it is to be.
func meets(v types.Volume, want cluster.VolumeShape) bool { return shapeOf(v).Meets(want) }

// shapeOf gives a volume's shape in our words, in which nobody has asked for what a volume has by itself.
func shapeOf(v types.Volume) cluster.VolumeShape {
	shape := cluster.VolumeShape{SizeGiB: int(aws.ToInt32(v.Size)), ThroughputMiB: int(aws.ToInt32(v.Throughput))}
	if shape.ThroughputMiB == cluster.BaseThroughputMiB {
		shape.ThroughputMiB = 0
	}
	return shape
}

// leadsTo tells whether a change that is under way makes a volume what it is to be.
func leadsTo(change *types.VolumeModification, want cluster.VolumeShape) bool {
	if change == nil || change.ModificationState != types.VolumeModificationStateModifying &&
		change.ModificationState != types.VolumeModificationStateOptimizing {
		return false
	}
	return shapeOf(types.Volume{Size: change.TargetSize, Throughput: change.TargetThroughput}).Meets(want)
}

// EBS takes up to four changes of a volume in 24 hours, each once the last has ended; where its newer rule has not arrived, one in six
// hours. It tells of the last one only, so the time at which it takes the next can't be told before it does.
const newerPause = 24 * time.Hour

// tryAgain says when a volume can be changed again.
func tryAgain(change *types.VolumeModification) string {
	began := began(change)
	if began == nil {
		return ""
	}
	older, newer := began.Add(cluster.VolumeRestsFor), began.Add(newerPause)
	return ": try again" + at(&older) + ", or" + at(&newer) + " at the latest"
}

func since(change *types.VolumeModification) string {
	if began := began(change); began != nil {
		return ", since " + began.UTC().Format(time.RFC3339)
	}
	return ""
}

func began(change *types.VolumeModification) *time.Time {
	if change == nil {
		return nil
	}
	return change.StartTime
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " at " + t.UTC().Format(time.RFC3339)
}
