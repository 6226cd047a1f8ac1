package local

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// Zones are made up: any subnet will do, and the subnets of a request, sorted, lie in the zones 1, 2, 3.
type Zones struct {
	Region string
}

// Zones gives the id of the zone each subnet lies in, in the order given.
func (z Zones) Zones(_ context.Context, subnets []string) ([]string, error) {
	sorted := slices.Sorted(slices.Values(subnets))
	zones := make([]string, len(subnets))
	for i, subnet := range subnets {
		if !strings.HasPrefix(subnet, "subnet-") {
			return nil, fault.InvalidParameter("clientSubnets", "%q is not the id of a subnet: it begins with subnet-", subnet)
		}
		zones[i] = fmt.Sprintf("%s-az%d", z.zonePrefix(), slices.Index(sorted, subnet)+1)
	}
	return zones, nil
}

// zonePrefix shortens a region's name as the ids of AWS's zones do: us-east-1 becomes use1.
func (z Zones) zonePrefix() string {
	parts := strings.Split(z.Region, "-")
	if len(parts) != 3 {
		return z.Region
	}
	direction := map[string]string{
		"north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
		"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
	}[parts[1]]
	return parts[0] + direction + parts[2]
}
