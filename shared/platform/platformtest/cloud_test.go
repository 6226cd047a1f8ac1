package platformtest_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/shared/platform/platformtest"
)

// What stands in for a platform in other tests promises what platforms promise.
func quickCloud(t *testing.T) platformtest.Platform {
	cloud := platformtest.NewCloud()
	cloud.BootsWithin, cloud.EndsWithin = time.Millisecond, time.Millisecond
	t.Cleanup(cloud.ShutDown)
	return platformtest.Platform{
		Hosts: cloud, Volumes: cloud, Addresses: cloud, Secrets: cloud, Zones: cloud,
		Subnets: []string{"subnet-c", "subnet-a", "subnet-b"},
	}
}

func TestCloud_HasConformingHosts(t *testing.T)     { platformtest.HostsSuite(t, quickCloud) }
func TestCloud_HasConformingVolumes(t *testing.T)   { platformtest.VolumesSuite(t, quickCloud) }
func TestCloud_HasConformingAddresses(t *testing.T) { platformtest.AddressesSuite(t, quickCloud) }
func TestCloud_HasConformingSecrets(t *testing.T)   { platformtest.SecretsSuite(t, quickCloud) }
func TestCloud_HasConformingZones(t *testing.T)     { platformtest.ZonesSuite(t, quickCloud) }
