package local

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/millrace/millrace/shared/fault"
)

// GrowVolume has nothing to do: a volume is a directory, which has as much room as the disk that it is on, whatever its size is
// said to be.
func (v Volumes) GrowVolume(_ context.Context, id string, _ int) error {
	if _, err := os.Stat(v.Layout.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no volume %s", id)
	}
	return nil
}

// VolumeGrown tells that a volume is as large as anybody wants it to be.
func (v Volumes) VolumeGrown(ctx context.Context, id string, sizeGiB int) (bool, error) {
	err := v.GrowVolume(ctx, id, sizeGiB)
	return err == nil, err
}
