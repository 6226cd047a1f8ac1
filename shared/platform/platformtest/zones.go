package platformtest

import (
	"slices"
	"testing"
)

// ZonesSuite checks what every adapter of zones promises.
func ZonesSuite(t *testing.T, open func(t *testing.T) Platform) {
	suite(t, open, map[string]func(*testing.T, Platform){
		"zones come in the order of the subnets": zonesFollowSubnets,
		"what is no subnet is Invalid":           strangeSubnetsAreInvalid,
	})
}

func zonesFollowSubnets(t *testing.T, p Platform) {
	zones, err := p.Zones.Zones(t.Context(), p.Subnets)
	if err != nil || len(zones) != 3 || zones[0] == zones[1] || zones[1] == zones[2] || zones[0] == zones[2] {
		t.Fatalf("three subnets of three zones: %v, %v", zones, err)
	}
	backwards := slices.Clone(p.Subnets)
	slices.Reverse(backwards)
	again, err := p.Zones.Zones(t.Context(), backwards)
	slices.Reverse(again)
	if err != nil || !slices.Equal(zones, again) {
		t.Errorf("the other way round: %v, %v; want %v", again, err, zones)
	}
}

func strangeSubnetsAreInvalid(t *testing.T, p Platform) {
	_, err := p.Zones.Zones(t.Context(), []string{p.Subnets[0], "vpc-0123456789abcdef0"})
	wantInvalid(t, "a subnet that is none", err)
}
