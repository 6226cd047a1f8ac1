package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local"
)

// keeping is a keeper whose rounds a test makes, and the hosts that it has declared dead.
type keeping struct {
	t    *testing.T
	p    *local.Platform
	next func(context.Context) error
	dead []string
}

func keep(t *testing.T, p *local.Platform) *keeping {
	k := &keeping{t: t, p: p}
	k.next = p.Hosts.Rounds(func(id string, launched cluster.HostRequest) {
		if launched.ClusterName != "orders" || launched.Token.NodeID == 0 {
			t.Errorf("host %s died, and was launched for %+v", id, launched)
		}
		k.dead = append(k.dead, id)
	})
	return k
}

func (k *keeping) rounds(n int) {
	k.t.Helper()
	for range n {
		if err := k.next(k.t.Context()); err != nil {
			k.t.Fatal(err)
		}
	}
}

// wantAlive sees that a host was not declared dead, and has got back an agent.
func (k *keeping) wantAlive(h cluster.Host, everStarted int) {
	k.t.Helper()
	started(k.t, hostDir(k.p, h.ID), everStarted)
	k.wantState(h, cluster.HostRunning)
	if len(k.dead) > 0 {
		k.t.Errorf("declared dead: %v", k.dead)
	}
}

func (k *keeping) wantState(h cluster.Host, state cluster.HostState) {
	k.t.Helper()
	if found, err := k.p.Hosts.Host(k.t.Context(), h.ID); err != nil || found.State != state {
		k.t.Errorf("%+v, %v, want it %s", found, err, state)
	}
}

// end kills processes of a host and waits until they are gone.
func end(t *testing.T, dir string, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		for lives(pid, dir) {
			continue // the kernel is at it
		}
	}
}

// agentAmong is the one of a host's processes that is its agent.
func agentAmong(t *testing.T, pids []int) int {
	t.Helper()
	i := slices.IndexFunc(pids, func(pid int) bool {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		return err == nil && strings.Contains(string(line), "--host-dir")
	})
	if i < 0 {
		t.Fatalf("none of %v is an agent", pids)
	}
	return pids[i]
}

func TestKeep_AHostThatLostItsAgentAndItsKafkaHasDiedForGood(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}})
	if err != nil {
		t.Fatal(err)
	}
	h, dir := launch(t, p, requestFor(1, 1))
	neighbour, _ := launch(t, p, requestFor(2, 1))
	if err := p.Volumes.AttachVolume(t.Context(), v.ID, h.ID); err != nil {
		t.Fatal(err)
	}
	pids := started(t, dir, 2)
	k.rounds(1)
	end(t, dir, pids...)
	k.rounds(1)
	if len(k.dead) > 0 {
		t.Error("one look was enough")
	}
	k.rounds(3)

	if !slices.Equal(k.dead, []string{h.ID}) {
		t.Errorf("declared dead: %v, want %s, once", k.dead, h.ID)
	}
	k.wantState(h, cluster.HostTerminated)
	k.wantState(neighbour, cluster.HostRunning)
	keep(t, p).rounds(3)
	if err := p.Hosts.PowerOn(); err != nil { // as after the next start of the control plane
		t.Fatal(err)
	}
	again, _ := launch(t, p, requestFor(1, 1))
	if again.ID != h.ID || again.State != cluster.HostTerminated {
		t.Errorf("a launch with its token gives %+v", again)
	}
	next, _ := launch(t, p, requestFor(1, 2))
	if err := p.Volumes.AttachVolume(t.Context(), v.ID, next.ID); err != nil {
		t.Errorf("its volume is not free: %v", err)
	}
}

func TestKeep_AHostThatLostItsAgentAloneGetsAnother(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 2)
	k.rounds(1)
	end(t, dir, agentAmong(t, pids))
	k.rounds(3)
	k.wantAlive(h, 3)
}

func TestKeep_AHostThatLostItsKafkaAloneIsTheAgentsBusiness(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 2)
	k.rounds(1)
	agent := agentAmong(t, pids)
	for _, pid := range pids {
		if pid != agent {
			end(t, dir, pid)
		}
	}
	k.rounds(3)
	k.wantAlive(h, 2)
	if all := started(t, dir, 2); len(all) != 2 {
		t.Errorf("the processes %v were started, and the agent lives", all)
	}
}

func TestKeep_AHostThatNeverHadAKafkaIsStartedAgain(t *testing.T) {
	p := openWithAgents(t)
	if err := os.WriteFile(filepath.Join(p.Layout.Dir, withoutKafka), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 1)
	k.rounds(1)
	end(t, dir, pids...)
	k.rounds(3)
	k.wantAlive(h, 2)
}

func TestKeep_WhatEndedWhileNobodyLookedOnIsStartedAgain(t *testing.T) {
	p := openWithAgents(t)
	h, dir := launch(t, p, requestFor(1, 1))
	end(t, dir, started(t, dir, 2)...)
	k := keep(t, p)
	k.rounds(3)
	k.wantAlive(h, 4)
}

func TestKeep_AHostThatIsSwitchedOffHasNotDied(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	started(t, dir, 2)
	k.rounds(1)
	if err := p.Hosts.PowerOff(); err != nil {
		t.Fatal(err)
	}
	k.rounds(4)
	k.wantState(h, cluster.HostStopped)
	if err := p.Hosts.PowerOn(); err != nil {
		t.Fatal(err)
	}
	k.rounds(1)
	k.wantAlive(h, 4)
}

func TestKeep_AHostThatIsRetiredHasNotDied(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	end(t, dir, func() []int { pids := started(t, dir, 2); k.rounds(1); return pids }()...)
	k.rounds(1)
	if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	k.rounds(3)
	if len(k.dead) > 0 {
		t.Errorf("declared dead: %v", k.dead)
	}
	if err := p.Hosts.ForgetHost(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	k.rounds(1)
}

func TestKeep_AHostThatIsLaunchedBetweenTwoLooksHasNotDied(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 2)
	k.rounds(1)
	end(t, dir, pids...)
	k.rounds(1)
	launch(t, p, requestFor(1, 1))
	k.rounds(3)
	k.wantAlive(h, 4)
}

func TestKeep_AControlPlaneThatEndsIsNoWitness(t *testing.T) {
	p := openWithAgents(t)
	k := keep(t, p)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 2)
	k.rounds(1)
	end(t, dir, pids...)
	k.rounds(1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.next(ended); err != nil {
		t.Fatal(err)
	}
	k.wantState(h, cluster.HostStopped)
}

func TestKeep_StartsWhatIsThereAndTellsOfADeath(t *testing.T) {
	p := openWithAgents(t)
	h, dir := launch(t, p, requestFor(1, 1))
	end(t, dir, started(t, dir, 2)...)
	ctx, cancel := context.WithCancel(t.Context())
	died := make(chan string, 1)
	var keeper sync.WaitGroup
	keeper.Go(func() { p.Hosts.Keep(ctx, func(id string, _ cluster.HostRequest) { died <- id }) })
	defer keeper.Wait()
	defer cancel()
	late := time.After(time.Minute)
	for known := 4; ; known++ { // one that ends before the keeper has seen it is started again, as it must be
		end(t, dir, started(t, dir, known)...)
		select {
		case id := <-died:
			if id != h.ID {
				t.Errorf("host %s died, not %s", h.ID, id)
			}
			return
		case <-late:
			t.Fatal("nobody was told")
		case <-time.After(3 * time.Second):
		}
	}
}

func TestHostStates_TellsOfEveryHostThatIsKnown(t *testing.T) {
	p := openWithAgents(t)
	running, _ := launch(t, p, requestFor(1, 1))
	stopped, dir := launch(t, p, requestFor(2, 1))
	end(t, dir, started(t, dir, 2)...)
	terminated, _ := launch(t, p, requestFor(3, 1))
	forgotten, _ := launch(t, p, requestFor(4, 1))
	for _, h := range []cluster.Host{terminated, forgotten} {
		if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Hosts.ForgetHost(t.Context(), forgotten.ID); err != nil {
		t.Fatal(err)
	}
	states, err := p.Hosts.HostStates(t.Context(), []string{running.ID, stopped.ID, terminated.ID, forgotten.ID})
	if err != nil || len(states) != 3 {
		t.Fatalf("%+v, %v", states, err)
	}
	for h, want := range map[cluster.Host]cluster.HostState{
		running: cluster.HostRunning, stopped: cluster.HostStopped, terminated: cluster.HostTerminated,
	} {
		if got := states[h.ID]; got.State != want || got.ID != h.ID {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
