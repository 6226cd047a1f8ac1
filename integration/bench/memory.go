package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
)

const (
	// A process is at rest when its memory has not moved by more than restMB for restFor.
	restFor = 5 * time.Second
	restMB  = 1.0
	// restWithin is when waiting for rest ends; what is there then is what counts.
	restWithin = time.Minute
)

// addMemory waits until processes have come to rest, and keeps the resident memory of each, pages of the shared class
// archive included: what ps and top show.
func (b *bench) addMemory(ctx context.Context, whose string, pids []int) error {
	resting, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	var last, reference []float64
	since := time.Now()
	err := until(resting, 250*time.Millisecond, "rest", func() (bool, error) {
		now, err := residentMB(pids)
		if err != nil {
			return false, err
		}
		last = now
		if reference == nil || moved(reference, now) {
			reference, since = now, time.Now()
		}
		return time.Since(since) >= restFor, nil
	})
	if err != nil && (!errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil) {
		return err
	}
	b.samples.add(rest, whose, last...)
	return nil
}

func moved(before, after []float64) bool {
	for i := range after {
		if after[i]-before[i] > restMB || before[i]-after[i] > restMB {
			return true
		}
	}
	return false
}

// residentMB is the resident memory of processes in MB (10^6 bytes).
func residentMB(pids []int) ([]float64, error) {
	var values []float64
	for _, pid := range pids {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			return nil, err
		}
		_, rest, found := strings.Cut(string(status), "VmRSS:")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			return nil, fmt.Errorf("process %d has no memory: it has ended", pid)
		}
		kib, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, err
		}
		values = append(values, kib*1024/1e6)
	}
	return values, nil
}

// brokerPIDs are the Kafka processes of all brokers.
func (c *controlPlane) brokerPIDs() ([]int, error) {
	var pids []int
	for id := range int32(brokerCount) {
		n, err := c.broker(id + 1)
		if err != nil {
			return nil, err
		}
		pids = append(pids, n.pid)
	}
	return pids, nil
}

// served is a broker's host, by its directory, and the Kafka process there.
type served struct {
	host string
	pid  int
}

// broker finds what serves a broker of the only cluster. Hosts that it had before have no process any more.
func (c *controlPlane) broker(id int32) (served, error) {
	launches, err := filepath.Glob(filepath.Join(c.layout.Dir, "hosts", "*", "launch.json"))
	if err != nil {
		return served{}, err
	}
	for _, path := range launches {
		content, err := os.ReadFile(path)
		if err != nil {
			return served{}, err
		}
		var launch cluster.HostRequest
		if err := json.Unmarshal(content, &launch); err != nil {
			return served{}, err
		}
		if launch.Role != cluster.Broker || launch.Token.NodeID != id {
			continue
		}
		process, found, err := brokeragent.KafkaOf(filepath.Dir(path))
		if err != nil {
			return served{}, err
		}
		if found {
			return served{filepath.Dir(path), process.PID}, nil
		}
	}
	return served{}, fmt.Errorf("broker %d has no process", id)
}
