package compute

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// VolumeSize tells how large a volume is, in GiB, or is about to be where it is being changed. One that is not there is NotFound.
func (v Volumes) VolumeSize(ctx context.Context, id string) (int, error) {
	now, change, err := v.growth(ctx, id)
	if err != nil {
		return 0, err
	}
	size := shapeOf(now).SizeGiB
	if change != nil && change.ModificationState == types.VolumeModificationStateModifying {
		size = max(size, int(aws.ToInt32(change.TargetSize)))
	}
	return size, nil
}
