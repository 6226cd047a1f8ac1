package local

import (
	"context"
	"errors"
	"io/fs"

	"github.com/millrace/millrace/shared/cluster"
)

// Running counts the hosts that have a living process, also without a control plane. A directory that holds none is none.
func (h *Hosts) Running(ctx context.Context) (int, error) {
	ids, err := h.ids()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	for _, id := range ids {
		host, err := h.Host(ctx, id)
		if err != nil {
			return 0, err
		}
		if host.State == cluster.HostRunning {
			n++
		}
	}
	return n, nil
}
