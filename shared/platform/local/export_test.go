package local

import (
	"context"

	"github.com/millrace/millrace/shared/cluster"
)

// Rounds gives the rounds of Keep one by one.
func (h *Hosts) Rounds(died func(hostID string, launched cluster.HostRequest)) (round func(context.Context) error) {
	k := newKeeper(h, died)
	return k.round
}
