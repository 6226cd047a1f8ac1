package platformtest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
)

// AddressesSuite checks what every adapter of addresses promises. open gives a platform without addresses.
func AddressesSuite(t *testing.T, open func(t *testing.T) Platform) {
	suite(t, open, map[string]func(*testing.T, Platform){
		"a token has one address, however often it is used": oneAddressForAToken,
		"many calls at once take one address":               oneAddressForManyCalls,
		"every node has its own address":                    addressesAreDistinct,
		"an address that was given back can be taken again": addressesComeBack,
		"an address that nobody has is given back":          absentAddressesAreReleased,
		"the name of an address becomes known":              namesBecomeKnown,
	})
}

func oneAddressForAToken(t *testing.T, p Platform) {
	first, again := p.address(t, node(1)), p.address(t, node(1))
	if !same(first, again) {
		t.Errorf("the addresses %+v and %+v", first, again)
	}
	if net.ParseIP(first.IP) == nil || first.ID == "" || first.Name == "" {
		t.Errorf("an incomplete address: %+v", first)
	}
}

// same tells whether two answers are about one address; each may have said its name once more.
func same(a, b cluster.Address) bool {
	a.NameChange, b.NameChange = "", ""
	return a == b
}

func oneAddressForManyCalls(t *testing.T, p Platform) {
	taken := make([]cluster.Address, 8)
	var calls sync.WaitGroup
	for i := range taken {
		calls.Go(func() {
			var err error
			taken[i], err = p.EnsureAddress(t.Context(), cluster.AddressRequest{
				Token: node(1), ClusterName: "orders", Role: cluster.Broker, Subnet: p.Subnets[0],
			})
			if err != nil {
				t.Errorf("address: %v", err)
			}
		})
	}
	calls.Wait()
	for _, a := range taken {
		if !same(a, taken[0]) {
			t.Errorf("the addresses %+v and %+v", taken[0], a)
		}
	}
}

func addressesAreDistinct(t *testing.T, p Platform) {
	owners := map[string]int32{}
	for _, id := range []int32{1, 2, 3, 30, 1001, 1002, 1003} {
		a := p.address(t, node(id))
		if other, taken := owners[a.IP]; taken {
			t.Errorf("the nodes %d and %d have the address %s", other, id, a.IP)
		}
		owners[a.IP] = id
	}
	token := node(1)
	token.ClusterID = "another-cluster-2"
	if a := p.address(t, token); owners[a.IP] != 0 {
		t.Errorf("node 1 of another cluster has the address %s, too", a.IP)
	}
}

func addressesComeBack(t *testing.T, p Platform) {
	p.address(t, node(1))
	neighbour := p.address(t, node(2))
	wantCode(t, "release", p.ReleaseAddress(t.Context(), node(1)), "")
	p.address(t, node(1))
	if again := p.address(t, node(2)); !same(again, neighbour) {
		t.Errorf("the neighbour's address became %+v, from %+v", again, neighbour)
	}
}

func absentAddressesAreReleased(t *testing.T, p Platform) {
	wantCode(t, "release what was never taken", p.ReleaseAddress(t.Context(), node(1)), "")
	p.address(t, node(1))
	wantCode(t, "release", p.ReleaseAddress(t.Context(), node(1)), "")
	wantCode(t, "release again", p.ReleaseAddress(t.Context(), node(1)), "")
}

func namesBecomeKnown(t *testing.T, p Platform) {
	a := p.address(t, node(1))
	for began := time.Now(); ; {
		known, err := p.NameKnown(t.Context(), a)
		if err != nil {
			t.Fatalf("look at the name %s: %v", a.Name, err)
		}
		if known {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("the name %s is not known after %s", a.Name, patience)
		}
	}
}
