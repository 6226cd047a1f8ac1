package platformtest

import (
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// HostsSuite checks what every adapter of hosts promises. open gives a platform without hosts.
func HostsSuite(t *testing.T, open func(t *testing.T) Platform) {
	suite(t, open, map[string]func(*testing.T, Platform){
		"a token starts one host, however often it is used": oneHostForAToken,
		"many launches at once start one host":              oneHostForManyLaunches,
		"every attempt and every node has its own host":     hostsAreDistinct,
		"a host is found by its token":                      hostsAreFound,
		"a host that nobody knows has ended":                unknownHostsHaveEnded,
		"a retired host ends for certain":                   retiredHostsEnd,
		"a token whose host has ended starts no other":      usedTokensStartNothing,
		"a living host is not forgotten":                    livingHostsAreNotForgotten,
		"a watcher hears that a host has ended":             hostWatchersHear,
		"many hosts are looked at together":                 hostsAreLookedAtTogether,
	})
}

func oneHostForAToken(t *testing.T, p Platform) {
	first := p.launch(t, attempt(1, 1))
	again := p.launch(t, attempt(1, 1))
	if first.ID != again.ID {
		t.Errorf("the hosts %s and %s", first.ID, again.ID)
	}
	running := p.waitFor(t, first.ID, cluster.HostRunning)
	later, err := p.LaunchHost(t.Context(), p.request(t, attempt(1, 1)))
	wantState(t, "a launch of a host that runs", later, err, running.ID, cluster.HostRunning)
}

func oneHostForManyLaunches(t *testing.T, p Platform) {
	request := p.request(t, attempt(1, 1))
	ids := make([]string, 4)
	var launches sync.WaitGroup
	for i := range ids {
		launches.Go(func() {
			h, err := p.LaunchHost(t.Context(), request)
			if err != nil {
				t.Errorf("launch: %v", err)
			}
			ids[i] = h.ID
		})
	}
	launches.Wait()
	p.endWithTest(t, ids[0])
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("the hosts %v", ids)
		}
	}
	p.waitFor(t, ids[0], cluster.HostRunning)
}

func hostsAreDistinct(t *testing.T, p Platform) {
	first := p.launch(t, attempt(1, 1))
	other := p.launch(t, attempt(2, 1))
	p.retire(t, first.ID)
	second := p.launch(t, attempt(1, 2))
	if first.ID == second.ID || first.ID == other.ID || second.ID == other.ID {
		t.Errorf("%s, %s and %s are not three hosts", first.ID, second.ID, other.ID)
	}
}

func hostsAreFound(t *testing.T, p Platform) {
	_, err := p.FindHost(t.Context(), attempt(1, 1))
	wantCode(t, "a token that was never used", err, fault.NotFound)
	h := p.launchRunning(t, attempt(1, 1))
	found, err := p.FindHost(t.Context(), attempt(1, 1))
	wantState(t, "its token", found, err, h.ID, cluster.HostRunning)
	_, err = p.FindHost(t.Context(), attempt(1, 2))
	wantCode(t, "the token of another attempt", err, fault.NotFound)
	p.retire(t, h.ID)
	found, err = p.FindHost(t.Context(), attempt(1, 1))
	wantState(t, "its token after its end", found, err, h.ID, cluster.HostTerminated)
}

func unknownHostsHaveEnded(t *testing.T, p Platform) {
	const id = "i-0123456789abcdef0"
	h, err := p.Host(t.Context(), id)
	wantState(t, "a host that never was", h, err, id, cluster.HostTerminated)
	wantCode(t, "retiring it", p.RetireHost(t.Context(), id), "")
	wantCode(t, "forgetting it", p.ForgetHost(t.Context(), id), "")
}

func retiredHostsEnd(t *testing.T, p Platform) {
	h := p.launchRunning(t, attempt(1, 1))
	neighbour := p.launchRunning(t, attempt(2, 1))
	wantCode(t, "retire", p.RetireHost(t.Context(), h.ID), "")
	wantCode(t, "retire again", p.RetireHost(t.Context(), h.ID), "")
	p.waitFor(t, h.ID, cluster.HostTerminated)
	wantCode(t, "retire after its end", p.RetireHost(t.Context(), h.ID), "")
	found, err := p.Host(t.Context(), neighbour.ID)
	wantState(t, "its neighbour", found, err, neighbour.ID, cluster.HostRunning)
}

func usedTokensStartNothing(t *testing.T, p Platform) {
	h := p.launchRunning(t, attempt(1, 1))
	p.retire(t, h.ID)
	again, err := p.LaunchHost(t.Context(), p.request(t, attempt(1, 1)))
	wantState(t, "a launch with its token", again, err, h.ID, cluster.HostTerminated)
	found, err := p.Host(t.Context(), h.ID)
	wantState(t, "the host after that", found, err, h.ID, cluster.HostTerminated)
}

func livingHostsAreNotForgotten(t *testing.T, p Platform) {
	h := p.launchRunning(t, attempt(1, 1))
	wantCode(t, "forgetting a living host", p.ForgetHost(t.Context(), h.ID), fault.Conflict)
	found, err := p.Host(t.Context(), h.ID)
	wantState(t, "the host after that", found, err, h.ID, cluster.HostRunning)
	p.retire(t, h.ID)
	wantCode(t, "forget", p.ForgetHost(t.Context(), h.ID), "")
	wantCode(t, "forget again", p.ForgetHost(t.Context(), h.ID), "")
	found, err = p.Host(t.Context(), h.ID)
	wantState(t, "the host after it was forgotten", found, err, h.ID, cluster.HostTerminated)
}

func hostWatchersHear(t *testing.T, p Platform) {
	h := p.launchRunning(t, attempt(1, 1))
	changed, stop := p.WatchHosts()
	defer stop()
	wantCode(t, "retire", p.RetireHost(t.Context(), h.ID), "")
	select {
	case <-changed:
	case <-time.After(patience):
		t.Errorf("no signal within %s", patience)
	}
}

// What the platform does not know is missing: that is no proof that it has ended.
func hostsAreLookedAtTogether(t *testing.T, p Platform) {
	const unknown = "i-0123456789abcdef0"
	first, other := p.launchRunning(t, attempt(1, 1)), p.launchRunning(t, attempt(2, 1))
	for range 2 {
		states, err := p.HostStates(t.Context(), []string{first.ID, unknown, other.ID})
		if err != nil || len(states) != 2 {
			t.Fatalf("%+v, %v; want two hosts", states, err)
		}
		for _, h := range []cluster.Host{first, other} {
			wantState(t, "a host among others", states[h.ID], nil, h.ID, h.State)
		}
		p.retire(t, other.ID)
		other.State = cluster.HostTerminated
	}
	states, err := p.HostStates(t.Context(), nil)
	if err != nil || len(states) != 0 {
		t.Errorf("no host: %+v, %v", states, err)
	}
}
