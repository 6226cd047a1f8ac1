package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/integration/harness"
	"github.com/millrace/millrace/integration/load"
)

const (
	brokers     = 3
	controllers = 3
	clusterName = "soak"

	// patience is how long a cluster may take to come to order, on a machine that has much else to do.
	patience = 6 * time.Minute
	// slot is a time in which a write has to succeed somewhere, whatever goes wrong.
	slot = 5 * time.Second
)

// soak is one run.
type soak struct {
	options
	t       *subject
	out     io.Writer
	noDisks error // why no disk can be filled; nil when one can

	m        *harness.Millrace
	arn      string
	observer *observer
	load     *load.Load
	lost     map[string]bool // hosts that were lost: each of them has to be replaced, once
}

// run lets things go wrong until the time is over, and judges.
//
//  1. A cluster under load.
//  2. Something goes wrong; then the cluster comes to order.
//  3. The load stops, and what clients were told is compared with what is there.
func (s *soak) run(ctx context.Context) verdict {
	s.say("seed %d, for %s", s.seed, time.Duration(s.minutes*float64(time.Minute)))
	s.lost = map[string]bool{}
	s.start(ctx)
	s.say("a cluster of %d brokers and %d controllers is under load", brokers, controllers)

	v := verdict{Seed: s.seed}
	plan := newPlan(s.seed, brokers)
	end := time.Now().Add(time.Duration(s.minutes * float64(time.Minute)))
	for time.Now().Before(end) && ctx.Err() == nil {
		next := time.Now().Add(s.every)
		v.Faults++
		if err := s.misfortune(ctx, v.Faults, plan.next()); err != nil {
			v.Failures = append(v.Failures, err.Error())
			break
		}
		wait(ctx, min(time.Until(next), time.Until(end)))
	}
	s.judge(ctx, &v)
	return v
}

// start makes a cluster whose brokers have disks of their own, where that is possible, and puts it under load.
func (s *soak) start(ctx context.Context) {
	held, release := harness.HoldAgents(s.t)
	s.m = harness.StartMillrace(s.t, held, harness.Flags("--controllers", fmt.Sprint(controllers)), harness.Data(filepath.Join(s.t.dir, "data")))
	s.arn = s.m.CreateCluster(s.t, clusterName)
	s.mountDisks(ctx)
	release()
	s.m.WaitUntilActive(s.t, s.arn)

	bootstrap, _ := s.m.Bootstrap(s.t, s.arn)
	authority := s.m.Command("ca", s.arn)
	var err error
	if s.observer, err = newObserver(bootstrap, authority, brokers); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.observer.client.Close)
	config, err := trusting(authority)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.load, err = load.Start(ctx, load.Target{Bootstrap: strings.Split(bootstrap, ","), TLS: config}, harness.UsualLoad("soak")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.load.Close)
	if err := s.await(ctx, func() (bool, string) { return s.inOrder(ctx) }); err != nil {
		s.t.Fatalf("before anything went wrong: %v", err)
	}
}

// mountDisks puts a small disk under each broker's volume, before anything lies on it.
func (s *soak) mountDisks(ctx context.Context) {
	if s.noDisks != nil {
		s.say("no disk will be full, other things take its place: %v", s.noDisks)
		return
	}
	var volumes []string
	err := s.await(ctx, func() (bool, string) {
		volumes = volumes[:0]
		for id := range brokers {
			found, _ := filepath.Glob(s.volume(int32(id + 1)))
			volumes = append(volumes, found...)
		}
		return len(volumes) == brokers, fmt.Sprintf("there are the volumes %v", volumes)
	})
	if err != nil {
		s.t.Fatalf("volumes of brokers: %v", err)
	}
	for _, dir := range volumes {
		if err := mountDisk(dir, diskMiB(s.minutes)); err != nil {
			s.noDisks = err
			s.say("no disk will be full, other things take its place: %v", err)
			return
		}
		s.t.Cleanup(func() {
			if err := unmountDisk(dir); err != nil {
				s.t.Errorf("unmount %s: %v", dir, err)
			}
		})
	}
}

// volume is where the log volume of a broker is, as a pattern.
func (s *soak) volume(broker int32) string {
	return filepath.Join(s.m.Data, "volumes", fmt.Sprintf("vol-*-%d", broker))
}

// misfortune lets one thing go wrong and waits until the cluster is in order again; then it says how that went. The error is
// about a cluster that does not come to order.
func (s *soak) misfortune(ctx context.Context, number int, planned misfortune) error {
	if planned.Kind == diskFull && s.noDisks != nil {
		planned.Kind = kafkaKilled
	}
	began := time.Now()
	happened, err := s.happen(ctx, planned)
	if err == nil {
		err = s.await(ctx, func() (bool, string) {
			if ok, missing := happened.over(); !ok {
				return false, missing
			}
			return s.inOrder(ctx)
		})
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		s.say("%3d  %s  ✗ %v", number, planned, err)
		return fmt.Errorf("%s: %w", planned, err)
	}
	took := time.Since(began)
	if happened.after != nil {
		happened.after()
	}
	s.say("%3d  %s  → in order again after %.1f s; longest pause of a partition's writes %.1f s",
		number, planned.tell(happened.met...), took.Seconds(), s.load.LongestGap(began, time.Now()).Seconds())
	return nil
}

// inOrder tells whether everything is as it should be: in the eyes of the cluster itself, of clients, and of the control plane.
func (s *soak) inOrder(ctx context.Context) (bool, string) {
	if ok, missing := s.observer.inOrder(ctx); !ok {
		return false, missing
	}
	h, err := s.health()
	if err != nil {
		return false, err.Error()
	}
	if h.State != "ACTIVE" {
		return false, "the cluster is " + h.State
	}
	for _, n := range h.Nodes {
		if n.Health == nil || n.Health.Condition != "well" {
			return false, fmt.Sprintf("%s %d is not well: %+v", n.Role, n.ID, n.Health)
		}
	}
	return true, ""
}

// health is what `millrace health` tells, as far as the soak cares.
type health struct {
	State string
	Nodes []struct {
		ID     int32
		Role   string
		Health *struct{ Condition, Reason, Remedy, Waits, Advice string }
	}
}

func (s *soak) health() (h health, err error) {
	return h, s.ask(&h, "health", s.arn)
}

// heal is a line of `millrace heal history`.
type heal struct {
	NodeID    int32
	Condition string
	Remedy    string
	Host      string
	Operation struct {
		ID      string
		State   string
		Failure *struct{ Message string }
	}
}

func (s *soak) heals() (heals []heal, err error) {
	return heals, s.ask(&heals, "heal", "history", s.arn)
}

// ask runs a command and reads the JSON that it prints.
func (s *soak) ask(into any, command ...string) error {
	out, err := s.m.Try(append(command, "--output", "json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), into)
}

// await waits until something is true, as long as patience lasts; the error says what is missing then.
func (s *soak) await(ctx context.Context, check func() (ok bool, missing string)) error {
	last := ""
	for deadline := time.Now().Add(patience); ; {
		ok, missing := check()
		switch {
		case ok:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return errors.New("not in order within " + patience.String() + ": " + missing)
		}
		if missing != last { // so that the log tells the way back to order
			s.t.Logf("waiting: %s", missing)
			last = missing
		}
		wait(ctx, 250*time.Millisecond)
	}
}

func (s *soak) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintf(s.out, "%s  %s\n", time.Now().Format(time.TimeOnly), line)
	s.t.Logf("%s", line)
}

// wait lets time pass.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
