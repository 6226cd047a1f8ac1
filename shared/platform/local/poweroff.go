package local

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/cluster"
)

// Time that hosts get to stop Kafka in an orderly way. Whatever is left then is ended: Kafka keeps what it has
// acknowledged through that too, it only takes longer to start.
const (
	brokersStopWithin     = 1500 * time.Millisecond
	controllersStopWithin = 500 * time.Millisecond
)

// PowerOff stops every host: brokers first, because they take leave of the controllers, then the rest. Hosts that are
// stopped can be started again.
func (h *Hosts) PowerOff() error {
	h.switchTo(off)
	ids, err := h.ids()
	if err != nil {
		return err
	}
	var brokers, others []string
	for _, id := range ids {
		if h.roleOf(id) == cluster.Broker {
			brokers = append(brokers, h.Layout.host(id))
		} else {
			others = append(others, h.Layout.host(id))
		}
	}
	return errors.Join(
		stop(brokers, brokersStopWithin),
		stop(others, controllersStopWithin),
		kill(h.Layout.hosts()), // of hosts that were being retired when the control plane crashed
	)
}

// Hosts are switched all at once.
const on, off = true, false

// switchTo notes whether hosts are to run, for whoever looks after them at the same time.
func (h *Hosts) switchTo(on bool) {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.off = !on
}

func (h *Hosts) roleOf(id string) cluster.Role {
	launched, err := h.launchOf(id)
	if err != nil {
		return ""
	}
	return launched.Role
}

// stop asks the processes of all directories to end, and ends those that have not after the time given.
func stop(dirs []string, within time.Duration) error {
	errs := make([]error, len(dirs))
	var wg sync.WaitGroup
	for i, dir := range dirs {
		wg.Go(func() {
			if errs[i] = signalAll(dir, unix.SIGTERM); errs[i] != nil {
				return
			}
			if gone, err := waitUntilGone(dir, within); gone || err != nil {
				errs[i] = err
				return
			}
			errs[i] = kill(dir)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
