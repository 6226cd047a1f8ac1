package local

import "context"

// VolumeSize tells how large a volume is, in GiB; 0 for one that has no size. One that is not there is NotFound.
func (v Volumes) VolumeSize(_ context.Context, id string) (int, error) {
	if err := v.exists(id); err != nil {
		return 0, err
	}
	size, _, err := v.size(id)
	return size, err
}
